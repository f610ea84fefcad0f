package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"appliance/internal/block"
	"appliance/internal/block/blocktest"
)

const (
	tenant    = "single-tenant"
	blockID   = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
	metricsID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8fa"
)

// madeBlock is what is known of the block.
type madeBlock struct {
	traces     int64
	bytes      int64
	start, end int64    // Unix seconds, around all spans
	ids        []string // of some traces, from all over the block
}

// blocksOf is the directory with the blocks of a server.
func blocksOf(dir, server string) string { return filepath.Join(dir, server, "blocks") }

// makeBlock makes the block and gives each server a copy.
func makeBlock(ctx context.Context, dir string, spans int) (*madeBlock, error) {
	to := blocksOf(dir, "appliance")
	b, err := block.NewBuilder(block.BuilderOptions{Dir: to, Tenant: tenant, BlockID: blockID})
	if err != nil {
		return nil, err
	}
	l := blocktest.NewLoad(1, spans)
	for record, n := l.Next(); n > 0; record, n = l.Next() {
		if err := b.Add(record); err != nil {
			return nil, errors.Join(err, b.Abort())
		}
	}
	meta, stats, err := b.Finish(ctx)
	if err != nil {
		return nil, errors.Join(err, b.Abort())
	}
	made := &madeBlock{
		traces: stats.Traces, bytes: stats.Bytes, start: meta.StartTime.Unix() - 1, end: meta.EndTime.Unix() + 1,
	}
	if made.ids, err = someIDs(ctx, filepath.Join(to, tenant, blockID), stats.Traces); err != nil {
		return nil, err
	}
	return made, errors.Join(
		copyBlock(to, blocksOf(dir, "tempo"), blockID, 0), copyBlock(to, blocksOf(dir, "tempo"), metricsID, 1),
	)
}

// someIDs are about a hundred ids that lie evenly in the block.
func someIDs(ctx context.Context, dir string, traces int64) (ids []string, err error) {
	source := block.OpenDir(dir)
	defer source.Close()
	b, err := block.Open(ctx, source, block.Options{})
	if err != nil {
		return nil, err
	}
	every, n := max(1, traces/100), int64(0)
	for id, err := range b.IDs(ctx) {
		if err != nil {
			return nil, err
		}
		if n++; n%every == 0 {
			ids = append(ids, hex.EncodeToString(id[:]))
		}
	}
	return ids, nil
}

// copyBlock copies the block for Tempo, under an id and with a replication factor.
func copyBlock(from, to, id string, factor int) error {
	source, target := filepath.Join(from, tenant, blockID), filepath.Join(to, tenant, id)
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(source)
	if err != nil {
		return err
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(source, e.Name()))
		if err != nil {
			return err
		}
		if e.Name() == "meta.json" {
			var meta map[string]any
			if err := json.Unmarshal(data, &meta); err != nil {
				return err
			}
			meta["blockID"], meta["replicationFactor"] = id, factor
			if data, err = json.Marshal(meta); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(target, e.Name()), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// uncache drops all files of a directory from the page cache.
func uncache(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		// What is not on the disk yet is not dropped.
		return errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
	})
}
