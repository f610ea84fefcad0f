package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// fillBehind lets the appliance begin with blocks that it stored and archived
// before: some are made of the first requests, and many copies of these put
// beside them under other ids. It returns the first request that is left.
func fillBehind(ctx context.Context, o storeOptions, s *storeSide, dir string) (from int64, err error) {
	const requests = 40
	settle := func() error {
		waiting, cancel := context.WithTimeout(ctx, o.settle)
		defer cancel()
		return every(waiting, 500*time.Millisecond, func() (string, error) { return s.unsettled(ctx) })
	}
	if _, err := load(ctx, "-url", s.url, "-unique", "0", "-rate", fmt.Sprint(requests), "-for", "1s"); err != nil {
		return 0, err
	}
	if err := settle(); err != nil {
		return 0, err
	}
	if err := s.p.stop(); err != nil {
		return 0, err
	}
	metas, err := filepath.Glob(filepath.Join(s.parts["blocks"], "*", "*", "meta.json"))
	if err != nil || len(metas) == 0 {
		return 0, fmt.Errorf("no block to make many of: %v", err)
	}
	for i := range o.behind {
		if err := doubleBlock(filepath.Dir(metas[i%len(metas)])); err != nil {
			return 0, err
		}
	}
	again, err := startStore(ctx, o, dir)
	if again != nil {
		*s = *again
	}
	if err != nil {
		return 0, err
	}
	return requests, settle()
}

// doubleBlock puts a copy of a block beside it. Its data is the same file.
func doubleBlock(dir string) error {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	id := fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	to := filepath.Join(filepath.Dir(dir), id)
	if err := os.Mkdir(to, 0o750); err != nil {
		return err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		from, to := filepath.Join(dir, f.Name()), filepath.Join(to, f.Name())
		switch f.Name() {
		case "lineage.json": // what the spool has of the first is not of this one
		case "meta.json":
			text, err := os.ReadFile(from)
			if err != nil {
				return err
			}
			text = bytes.ReplaceAll(text, []byte(filepath.Base(dir)), []byte(id))
			if err := os.WriteFile(to, text, 0o640); err != nil {
				return err
			}
		default:
			if err := os.Link(from, to); err != nil {
				return err
			}
		}
	}
	return nil
}
