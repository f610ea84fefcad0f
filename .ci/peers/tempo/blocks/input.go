package main

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/grafana/tempo/pkg/tempopb"
)

// maxRequest bounds one request of a stream, in bytes.
const maxRequest = 1 << 30

// readFiles calls visit with every request of the files, in their order.
func readFiles(paths []string, visit func(*tempopb.Trace) error) error {
	for _, p := range paths {
		if err := readFile(p, visit); err != nil {
			return fmt.Errorf("read %s: %w", p, err)
		}
	}
	return nil
}

func readFile(path string, visit func(*tempopb.Trace) error) error {
	if path == "-" {
		return readStream(bufio.NewReaderSize(os.Stdin, 1<<20), visit)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var r io.Reader = f
	name, zipped := strings.CutSuffix(path, ".gz")
	if zipped {
		if r, err = gzip.NewReader(f); err != nil {
			return err
		}
	}
	if strings.HasSuffix(name, ".stream") {
		return readStream(bufio.NewReaderSize(r, 1<<20), visit)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return decode(data, visit)
}

func readStream(r *bufio.Reader, visit func(*tempopb.Trace) error) error {
	for {
		size, err := binary.ReadUvarint(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if size > maxRequest {
			return fmt.Errorf("a request of %d bytes is larger than %d", size, maxRequest)
		}
		data := make([]byte, size)
		if _, err := io.ReadFull(r, data); err != nil {
			return err
		}
		if err := decode(data, visit); err != nil {
			return err
		}
	}
}

// decode reads a request: Tempo's Trace, TracesData and
// ExportTraceServiceRequest are one message on the wire.
func decode(data []byte, visit func(*tempopb.Trace) error) error {
	var tr tempopb.Trace
	if err := tr.Unmarshal(data); err != nil {
		return fmt.Errorf("decode a request of %d bytes: %w", len(data), err)
	}
	return visit(&tr)
}
