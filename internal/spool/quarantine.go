package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"appliance/internal/durable"
)

// quarantine holds copies of what was damaged or torn, for a person to look
// at: one file a range, named after its place. The oldest make room for new
// ones.
type quarantine struct {
	fsys  durable.FS
	dir   string
	limit int64
}

func (q *quarantine) name(i identity, e extent) string {
	return filepath.Join(q.dir, fmt.Sprintf("%s-%08x.damaged", i, e.Offset))
}

// keep copies a range of a segment, up to the limit. What is there already was
// kept when the damage was first seen.
func (q *quarantine) keep(f io.ReaderAt, i identity, e extent) error {
	e.Bytes = min(e.Bytes, q.limit)
	if e.Bytes == 0 {
		return nil
	}
	if err := durable.MkdirAll(q.fsys, q.dir, dirMode); err != nil {
		return err
	}
	to := q.name(i, e)
	if err := q.makeRoom(e.Bytes, filepath.Base(to)); err != nil {
		return err
	}
	out, err := q.fsys.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	if err := errors.Join(copyRange(out, f, e), out.Close()); err != nil {
		return errors.Join(fmt.Errorf("quarantine %d bytes at %d of segment %s: %w", e.Bytes, e.Offset, i, err),
			q.fsys.Remove(to))
	}
	return q.fsys.SyncDir(q.dir)
}

func copyRange(to durable.File, from io.ReaderAt, e extent) error {
	buf := make([]byte, min(e.Bytes, wholeWindow))
	for off := int64(0); off < e.Bytes; {
		n, err := from.ReadAt(buf[:min(int64(len(buf)), e.Bytes-off)], e.Offset+off)
		if n == 0 && errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err := to.WritevAt([][]byte{buf[:n]}, off); err != nil {
			return err
		}
		off += int64(n)
	}
	return to.Sync()
}

// makeRoom removes the oldest files until n more bytes fit; replaced is the
// file that the bytes will replace, if it is there.
func (q *quarantine) makeRoom(n int64, replaced string) error {
	held, entries, err := q.usage()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.name == replaced {
			held -= e.size
		}
	}
	for _, e := range entries { // named by segment and offset: the oldest come first
		if held+n <= q.limit {
			break
		}
		if e.name == replaced {
			continue
		}
		if err := q.fsys.Remove(filepath.Join(q.dir, e.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		held -= e.size
	}
	return nil
}

type quarantined struct {
	name string
	size int64
}

// usage lists what is held.
func (q *quarantine) usage() (held int64, files []quarantined, err error) {
	entries, err := q.fsys.ReadDir(q.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, nil, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, nil, err
		}
		held += info.Size()
		files = append(files, quarantined{e.Name(), info.Size()})
	}
	return held, files, nil
}
