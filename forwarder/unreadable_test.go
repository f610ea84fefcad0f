package forwarder

import (
	"io/fs"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"appliance/internal/durable"
	"appliance/internal/spool"
)

// badDisk gives no bytes of a range of a segment while it is bad.
type badDisk struct {
	durable.FS
	segment  string // part of the name
	from, to int64
	bad      atomic.Bool
}

func (d *badDisk) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	f, err := d.FS.OpenFile(name, flag, perm)
	if err != nil || !strings.Contains(name, d.segment) {
		return f, err
	}
	return badFile{f, d}, nil
}

type badFile struct {
	durable.File
	disk *badDisk
}

func (f badFile) ReadAt(p []byte, off int64) (int, error) {
	if f.disk.bad.Load() && off < f.disk.to && off+int64(len(p)) > f.disk.from {
		return 0, syscall.EIO
	}
	return f.File.ReadAt(p, off)
}

// A record that the disk does not give costs those behind it some tries, and is sent when it can be read again.
func TestUnreadableRecord(t *testing.T) {
	k, dir := newTempo(t), t.TempDir()
	disk := &badDisk{FS: durable.OS}
	options := spool.Options{NoSpare: true, CheckpointEvery: -1, FS: disk}
	s, err := spool.Open(dir, options)
	must(t, err)
	var at [3]spool.Position
	for i := range at {
		at[i] = keep(t, s, "a", upTo(1000*i, 1000)...)
	}
	// In the middle of the second one, away from the headers.
	disk.from, disk.to = at[1].Offset+10_000, at[1].Offset+10_001
	disk.bad.Store(true)
	f := New(k.options(s))
	f.reread = time.Millisecond
	stop := k.run(f)
	eventually(t, "the others are taken", func() bool { return f.Stats().AckedSpans == 2000 })
	k.passes(3)
	k.cut()
	eventually(t, "the others are proven", func() bool { return s.Status().Released.Spans == 2000 })
	if st := s.Status(); st.Pending.Spans != 1000 || st.Lost.Spans != 0 {
		t.Errorf("%+v pending, %+v lost", st.Pending, st.Lost)
	}
	stop()
	must(t, s.Close())

	// The next start, on a disk that has recovered.
	disk.bad.Store(false)
	s, err = spool.Open(dir, options)
	must(t, err)
	f, stop = k.start(k.options(s))
	// With the one behind it, whose release is durable only when all before it are released.
	eventually(t, "it is taken", func() bool { return f.Stats().AckedSpans == 2000 })
	k.passes(3)
	k.cut()
	empty(t, s)
	stop()
	must(t, s.Close())
}
