package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"golang.org/x/sys/unix"

	"appliance/internal/block"
	"appliance/internal/block/blocktest"
)

// generate writes the records of so many spans to a file, each behind its length
// as a varint, and returns the bytes of all.
func generate(name string, spans int) (size int64, err error) {
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	l := blocktest.NewLoad(1, spans)
	for {
		record, _ := l.Next()
		if record == nil {
			break
		}
		size += int64(len(record))
		// Errors of a bufio.Writer stay until Flush.
		_, _ = w.Write(binary.AppendUvarint(nil, uint64(len(record))))
		_, _ = w.Write(record)
	}
	return size, errors.Join(w.Flush(), f.Close())
}

// build builds a block of the records in a file, as a store does of its spool:
// reading them is in the figures.
func build(file, dir, profile string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if profile != "" {
		p, err := os.Create(profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(p); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	b, err := block.NewBuilder(block.BuilderOptions{Dir: dir, Tenant: "bench", BlockID: "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"})
	if err != nil {
		return err
	}
	if err := addAll(b, bufio.NewReaderSize(f, 128<<10)); err != nil {
		return errors.Join(err, b.Abort())
	}
	_, stats, err := b.Finish(context.Background())
	if err != nil {
		return errors.Join(err, b.Abort())
	}
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return fmt.Errorf("ask for the CPU time of the process: %w", err)
	}
	text, err := json.Marshal(figures{
		Spans: stats.Spans, Traces: stats.Traces, Bytes: stats.Bytes, Peak: u.Maxrss << 10,
		CPU: (time.Duration(u.Utime.Nano()) + time.Duration(u.Stime.Nano())).Seconds(),
	})
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(text))
	if os.Getenv("KEEP") == "" {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, "bench")))
	}
	return err
}

func addAll(b *block.Builder, r *bufio.Reader) error {
	var record []byte
	for {
		n, err := binary.ReadUvarint(r)
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if uint64(cap(record)) < n {
			record = make([]byte, n)
		}
		record = record[:n]
		if _, err := io.ReadFull(r, record); err != nil {
			return err
		}
		if err := b.Add(record); err != nil {
			return err
		}
	}
}
