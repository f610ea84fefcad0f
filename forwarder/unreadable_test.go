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

// A record that the disk does not give, its payload or not even its header,
// costs those behind it some tries, and is sent when it can be read again.
func TestUnreadableRecord(t *testing.T) {
	for name, at := range map[string]int64{"payload": 10_000, "header": 4} {
		t.Run(name, func(t *testing.T) { unreadableRecord(t, at) })
	}
}

func unreadableRecord(t *testing.T, offset int64) {
	k, dir := newTempo(t), t.TempDir()
	disk := &badDisk{FS: durable.OS}
	options := spool.Options{NoSpare: true, CheckpointEvery: -1, FS: disk}
	s, err := spool.Open(dir, options)
	must(t, err)
	var at [3]spool.Position
	for i := range at {
		at[i] = keep(t, s, "a", upTo(1000*i, 1000)...)
	}
	disk.from, disk.to = at[1].Offset+offset, at[1].Offset+offset+1
	disk.bad.Store(true)
	f := New(k.options(s))
	f.reread = time.Millisecond
	stop := k.run(f)
	eventually(t, "the others are taken", func() bool { return f.Stats().AckedSpans == 2000 })
	eventually(t, "the others are proven", func() bool { return f.Stats().ProvenSpans == 2000 })
	if st := s.Status(); st.Pending.Spans != 1000 || st.Lost.Spans != 0 {
		t.Errorf("%+v pending, %+v lost", st.Pending, st.Lost)
	}
	stop()
	_ = s.Close() // says what its checkpoint could not read

	// The next start, on a disk that has recovered.
	disk.bad.Store(false)
	s, err = spool.Open(dir, options)
	must(t, err)
	f, stop = k.start(k.options(s))
	// With the one behind it, whose release is durable only when all before it are released.
	eventually(t, "it is taken", func() bool { return f.Stats().AckedSpans == 2000 })
	empty(t, s)
	stop()
	must(t, s.Close())
}

// A shipment that is to be sent again, and that the disk does not give, keeps no
// other from being sent again, and follows when it can be read.
func TestUnreadableShipment(t *testing.T) {
	k := newTempo(t)
	disk := &badDisk{FS: durable.OS}
	s, err := spool.Open(t.TempDir(), spool.Options{NoSpare: true, CheckpointEvery: -1, FS: disk})
	must(t, err)
	defer s.Close()
	first := keep(t, s, "a", upTo(0, 1000)...)
	for i := range 4 {
		keep(t, s, "a", upTo(1000*(i+1), 1000)...)
	}
	disk.from, disk.to = first.Offset+10_000, first.Offset+10_001
	o := k.holding(s)
	o.batch, o.inFlight = 10, 1 // each record alone, in their order
	f := New(o)
	f.reread = time.Millisecond
	stop := k.run(f)
	defer stop()
	eventually(t, "all is taken", func() bool { return f.Stats().AckedSpans == 5000 })
	disk.bad.Store(true)
	k.end()
	eventually(t, "the others are taken again", func() bool { return f.Stats().AckedSpans == 9000 })
	if st := s.Status(); st.Pending.Spans != 5000 || st.Lost.Spans != 0 {
		t.Errorf("%+v pending, %+v lost", st.Pending, st.Lost)
	}
	disk.bad.Store(false)
	eventually(t, "it is taken again", func() bool { return f.Stats().AckedSpans == 10_000 })
}
