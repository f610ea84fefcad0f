// Command spans writes the id of each span that a Jaeger keeps in badger, 8
// bytes each, to its output. The Jaeger has to be stopped: one process at a time
// opens a badger for writing.
//
//	spans KEYS VALUES    the directories that the Jaeger was given
//
// Each span is decoded, and has to be the one that its key names.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/dgraph-io/badger/v4"
	"github.com/jaegertracing/jaeger-idl/model/v1"
)

// A key is this byte, the trace's id (16 bytes), the start (8) and the span's id
// (8). Other first bytes are of indexes.
const (
	spanKey     = 0x80
	spanKeySize = 1 + 16 + 8 + 8
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "spans:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) != 2 {
		return errors.New("usage: spans KEYS VALUES")
	}
	db, err := badger.Open(badger.DefaultOptions(args[0]).WithValueDir(args[1]).WithReadOnly(true).WithLogger(nil))
	if err != nil {
		return fmt.Errorf("open %s: %w", args[0], err)
	}
	w := bufio.NewWriter(out)
	err = db.View(func(txn *badger.Txn) error { return writeIDs(txn, w) })
	return errors.Join(err, w.Flush(), db.Close())
}

func writeIDs(txn *badger.Txn, out io.Writer) error {
	o := badger.DefaultIteratorOptions
	o.Prefix = []byte{spanKey}
	spans := txn.NewIterator(o)
	defer spans.Close()
	for spans.Rewind(); spans.Valid(); spans.Next() {
		key := spans.Item().Key()
		if len(key) != spanKeySize {
			return fmt.Errorf("the key %x of a span has %d bytes, not %d", key, len(key), spanKeySize)
		}
		var span model.Span
		if err := spans.Item().Value(span.Unmarshal); err != nil {
			return fmt.Errorf("read span %x: %w", key, err)
		}
		id := binary.BigEndian.AppendUint64(nil, uint64(span.SpanID))
		if !bytes.Equal(id, key[spanKeySize-len(id):]) {
			return fmt.Errorf("the key %x has span %x", key, id)
		}
		if _, err := out.Write(id); err != nil {
			return err
		}
	}
	return nil
}
