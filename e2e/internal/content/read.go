package content

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// File reads an export request or TracesData in protobuf, gzipped if the name
// ends in .gz, as bytes.
func File(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil || !strings.HasSuffix(path, ".gz") {
		return data, err
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if data, err = io.ReadAll(z); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}

// Decode decodes an export request or TracesData: both are one message on the
// wire. Fields that the protocol does not have are left out.
func Decode(data []byte) (*trace.TracesData, error) {
	var td trace.TracesData
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, &td); err != nil {
		return nil, fmt.Errorf("decode %d bytes of OTLP: %w", len(data), err)
	}
	return &td, nil
}

// Stream calls visit with each message of a stream, in which each stands behind
// its length as a varint. The bytes are visit's to keep.
func Stream(r io.Reader, visit func([]byte) error) error {
	buffered := bufio.NewReaderSize(r, 1<<20)
	for {
		size, err := binary.ReadUvarint(buffered)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if size > 1<<30 {
			return fmt.Errorf("a message of %d bytes is no trace", size)
		}
		data := make([]byte, size)
		if _, err := io.ReadFull(buffered, data); err != nil {
			return err
		}
		if err := visit(data); err != nil {
			return err
		}
	}
}
