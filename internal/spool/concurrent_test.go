package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// Appenders, readers, releasers and those who ask for the status, all at once.
func TestConcurrentUse(t *testing.T) {
	const appenders, each = 16, 60
	dir := t.TempDir()
	s := open(t, dir, Options{SegmentBytes: 64 << 10, CheckpointEvery: 20 * time.Millisecond})
	var appending, using sync.WaitGroup
	for a := range appenders {
		appending.Go(func() {
			for i := range each {
				if _, err := s.Append(numbered(a*each + i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done, stop := context.WithCancel(ctx)
	using.Go(func() {
		for done.Err() == nil {
			if st := s.Status(); st.Pending.Records < 0 || st.Lost.Records != 0 {
				t.Errorf("status %+v", st)
			}
			if _, err := Inspect(nil, dir); err != nil {
				t.Error(err)
			}
		}
	})
	var seen [2][]int
	for i := range seen {
		using.Go(func() {
			r := s.NewReader()
			defer r.Close()
			var buf []byte
			for {
				e, err := r.Next(ctx, buf)
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				n, err := number(e.Record)
				if err != nil {
					t.Error(err)
				}
				buf = e.Payload
				seen[i] = append(seen[i], n)
				if n%2 == i {
					if err := s.Release(e.Position); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	appending.Wait()
	stop()
	must(t, s.Close())
	using.Wait()
	st := s.Status()
	if kept := st.Appended.Records; kept != appenders*each || st.Pending.Records+st.Released.Records != kept {
		t.Errorf("status %+v", st)
	}
	for _, numbers := range seen {
		slices.Sort(numbers)
		if len(slices.Compact(numbers)) != len(numbers) {
			t.Error("a reader read a record twice")
		}
	}
}

// One sync serves many: that is what the group is for.
func TestGroupCommit(t *testing.T) {
	fsys := crashfs.New()
	s, err := Open("/spool", Options{FS: fsys, SegmentBytes: 1 << 20})
	must(t, err)
	defer s.Close()
	appendNumbered(t, s, 0)
	enter, leave := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	fsys.Slow(func(op crashfs.Op) {
		if op.Kind == crashfs.Sync && first.CompareAndSwap(false, true) {
			close(enter)
			<-leave
		}
	})
	var all sync.WaitGroup
	push := func(n int) {
		all.Go(func() {
			if _, err := s.Append(numbered(n)); err != nil {
				t.Error(err)
			}
		})
	}
	push(1)
	select {
	case <-enter:
	case <-time.After(10 * time.Second):
		close(leave)
		t.Fatal("appended without a sync")
	}
	const others = 50
	for n := range others {
		push(2 + n)
	}
	for s.queue.length() < others {
		// They are on their way into the queue.
	}
	before := s.syncs.Load()
	close(leave)
	all.Wait()
	if syncs := s.syncs.Load() - before; syncs != 2 {
		t.Errorf("%d syncs for the group of 1 and the group of %d", syncs, others)
	}
	if got := mustPass(t, s); len(got) != others+2 {
		t.Errorf("read %d", len(got))
	}
}

func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// Open reads the footers, not the segments.
func TestOpenReadsLittle(t *testing.T) {
	fsys := crashfs.New()
	opts := Options{FS: fsys, SegmentBytes: 256 << 10}
	s, err := Open("/spool", opts)
	must(t, err)
	payload := make([]byte, 10_000)
	for range 300 {
		_, err := s.Append(Record{Tenant: "t", Spans: 2, Payload: payload})
		must(t, err)
	}
	must(t, s.Close())
	counted := &countingFS{FS: fsys}
	opts.FS = counted
	s, err = Open("/spool", opts)
	must(t, err)
	defer s.Close()
	st := s.Status()
	if st.Pending.Records != 300 || st.Pending.Spans != 600 || len(st.Segments) < 12 {
		t.Errorf("status %+v", st)
	}
	if read := counted.bytes.Load(); read > st.Bytes/20 {
		t.Errorf("read %d of %d bytes", read, st.Bytes)
	}
}

// After a power cut too: only the segment that was being written to is read whole.
func TestFootersAreDurable(t *testing.T) {
	fsys := crashfs.New()
	s, err := Open("/spool", Options{FS: fsys, SegmentBytes: 4 << 10, NoSpare: true})
	must(t, err)
	appendNumbered(t, s, upTo(40)...)
	after := fsys.PowerCut(crashfs.LoseAll, rand.New(rand.NewPCG(0, 0)))
	_ = s.Close()
	inv, err := takeInventory(after, "/spool")
	must(t, err)
	if len(inv.segments) < 4 || len(inv.unfooted) != 1 {
		t.Errorf("%d of %d segments have no footer", len(inv.unfooted), len(inv.segments))
	}
}

type countingFS struct {
	*crashfs.FS
	bytes atomic.Int64
}

func (c *countingFS) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	f, err := c.FS.OpenFile(name, flag, perm)
	return countingFile{f, c}, err
}

type countingFile struct {
	durable.File
	fs *countingFS
}

func (f countingFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	f.fs.bytes.Add(int64(n))
	return n, err
}

// What Append allocates does not depend on the payload.
func TestAppendDoesNotCopy(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	payload := make([]byte, 8<<20)
	_, err := s.Append(Record{Payload: payload})
	must(t, err)
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range min(b.N, 20) {
			if _, err := s.Append(Record{Payload: payload}); err != nil {
				b.Fatal(err)
			}
		}
	})
	fmt.Fprintln(t.Output(), result.MemString())
	if bytes := result.MemBytes / 20; bytes > 100_000 {
		t.Errorf("%d bytes allocated for a payload of %d", bytes, len(payload))
	}
}
