package forwarder

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"appliance/internal/spool"
)

// A record stays in the spool until the last of its spans is in a block, whatever the acknowledgement said.
func TestNothingLeavesBeforeItsBlock(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	for i := range 4 {
		keep(t, s, "a", upTo(10*i, 10)...)
	}
	f, _ := k.start(k.options(s))
	k.gets(40)
	k.passes(5)
	if st := s.Status(); st.Pending.Records != 4 {
		t.Fatalf("without a block %d of 4 records are pending", st.Pending.Records)
	}
	k.write("a", append(upTo(0, 10), upTo(10, 9)...)...)
	k.write("b", numbered(19)) // another tenant's
	k.passes(5)
	if st := s.Status(); st.Pending.Spans < 30 {
		t.Fatalf("with one block of 19 spans %d of 40 are pending", st.Pending.Spans)
	}
	k.write("a", upTo(19, 20)...)
	k.passes(5)
	if st := s.Status(); st.Pending.Spans < 10 {
		t.Fatalf("the last span is in no block, and %d are pending", st.Pending.Spans)
	}
	k.write("a", numbered(39))
	empty(t, s)
	eventually(t, "the proven spans are counted", func() bool { return f.Stats().ProvenSpans == 40 })
	for span, n := range k.times() {
		if n != 1 {
			t.Errorf("span %v was sent %d times", span, n)
		}
	}
}

// What is in no block when it is time is sent again, and nothing else is.
func TestOnlyMissingSpansAreSentAgain(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	for i := range 3 {
		keep(t, s, "a", upTo(10*i, 10)...)
	}
	o := k.options(s)
	o.ResendAfter = 1500 * time.Millisecond
	f, _ := k.start(o)
	k.gets(30)
	missing := []id{numbered(3), numbered(17), numbered(18), numbered(29)}
	k.mu.Lock()
	clear(k.held) // Tempo loses them
	k.mu.Unlock()
	k.write("a", slices.DeleteFunc(upTo(0, 30), func(s id) bool { return slices.Contains(missing, s) })...)
	k.gets(34)
	k.cut()
	empty(t, s)
	for span, n := range k.times() {
		if want := 1 + count(missing, span); n != want {
			t.Errorf("span %v was sent %d times, want %d", span, n, want)
		}
	}
	if n := f.Stats().Resent["not_in_a_block"]; n != 4 {
		t.Errorf("%d spans are counted as sent again, want 4", n)
	}
}

func count(list []id, s id) int {
	if slices.Contains(list, s) {
		return 1
	}
	return 0
}

// What an ended Tempo held is sent to the next one; what it had written is not.
func TestEndedTempo(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	keep(t, s, "", upTo(0, 20)...)
	f, _ := k.start(k.options(s))
	k.gets(20)
	k.passes(3)
	k.write("", upTo(0, 15)...)
	k.end()
	k.gets(25)
	k.passes(3)
	if s.Status().Pending.Spans != 20 {
		t.Fatal("a record left the spool before its block")
	}
	k.cut()
	empty(t, s)
	if n := f.Stats().Resent["tempo_restarted"]; n != 5 {
		t.Errorf("%d spans are counted as sent again, want 5", n)
	}
}

// A slow Tempo has one request in flight. That none comes must not keep what is to be sent again.
func TestSentAgainWhileNothingComes(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	keep(t, s, "a", upTo(0, 5)...)
	f := New(k.options(s))
	f.lanes.most = 1
	k.run(f)
	k.gets(5)
	k.passes(3)
	k.end()
	k.gets(10)
	k.cut()
	empty(t, s)
}

// Spans that share their ids are told apart by their kind, as Tempo does.
func TestKindsDoNotProveEachOther(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	client, server := numbered(1), numbered(1)
	client.Kind, server.Kind = 3, 2
	keep(t, s, "a", client)
	keep(t, s, "a", server)
	k.start(k.options(s))
	k.gets(2)
	k.passes(3)
	k.write("a", client)
	k.passes(5)
	if s.Status().Pending.Spans == 0 {
		t.Fatal("the client's span proved the server's")
	}
	k.write("a", server)
	empty(t, s)
}

// manySpans is a block of strangers with spans of ours as the first and the last.
type manySpans struct {
	n           int
	first, last id
	all         *atomic.Bool
}

func (manySpans) Covers(string, time.Time) bool { return true }

func (b manySpans) Spans(visit func(traceID, spanID []byte, kind int64) bool) error {
	visit(b.first.Trace[:], b.first.Span[:], int64(b.first.Kind))
	for i := range b.n {
		s := numbered(1<<30 + i)
		visit(s.Trace[:], s.Span[:], int64(s.Kind))
	}
	b.all.Store(visit(b.last.Trace[:], b.last.Span[:], int64(b.last.Kind)))
	return nil
}

func TestBlockOfMoreSpansThanAreComparedAtOnce(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	keep(t, s, "a", numbered(0), numbered(1))
	k.start(k.options(s))
	k.gets(2)
	k.passes(3)
	big := manySpans{maxTokens + 1000, numbered(0), numbered(1), new(atomic.Bool)}
	k.mu.Lock()
	k.blocks = append(k.blocks, big)
	k.mu.Unlock()
	empty(t, s)
	if !big.all.Load() {
		t.Error("the block was not read to its end")
	}
}

// brokenBlock ends with an error.
type brokenBlock struct{ block }

func (b brokenBlock) Spans(func(traceID, spanID []byte, kind int64) bool) error {
	return errors.New("i/o error")
}

// A block that cannot be read proves nothing; what is in it is sent again.
func TestUnreadableBlock(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	keep(t, s, "a", upTo(0, 3)...)
	o := k.options(s)
	o.ResendAfter = 200 * time.Millisecond
	f, _ := k.start(o)
	eventually(t, "the proof waits for a block", func() bool { return f.Stats().UnprovenSpans == 3 })
	k.mu.Lock()
	k.blocks = append(k.blocks, brokenBlock{block{"a", upTo(0, 3)}})
	k.mu.Unlock()
	k.gets(6)
	if s.Status().Pending.Spans != 3 {
		t.Fatal("a block that cannot be read was taken as a proof")
	}
	k.cut()
	empty(t, s)
	if f.Stats().LastError == "" {
		t.Error("nothing tells of the block")
	}
}

// A damaged byte in the spool costs the record that it is in: the others are proven, and that one is counted as lost.
func TestDamageWhileUnproven(t *testing.T) {
	for name, place := range map[string]int{"payload": 12, "header": -20} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			k, s := newTempo(t), openSpool(t, dir)
			for i := range 4 {
				keep(t, s, "a", upTo(10*i, 10)...)
			}
			f, _ := k.start(k.options(s))
			k.gets(40)
			k.passes(3)
			flip(t, dir, payload(upTo(20, 10)), place)
			k.cut()
			empty(t, s)
			eventually(t, "the damage is counted", func() bool { return s.Status().Lost.Spans == 10 })
			if st := s.Status(); st.Released.Spans != 30 || st.Lost.Records != 1 {
				t.Errorf("released %+v, lost %+v; want 30 and 10 spans", st.Released, st.Lost)
			}
			eventually(t, "the rest is counted as proven", func() bool { return f.Stats().ProvenSpans == 30 })
		})
	}
}

// flip changes a byte of the spool's files, counted from where content begins.
func flip(t *testing.T, dir string, content []byte, place int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // a directory
		}
		if i := bytes.Index(data, content); i >= 0 {
			file, err := os.OpenFile(name, os.O_RDWR, 0)
			must(t, err)
			_, err = file.WriteAt([]byte{data[i+place] ^ 0x10}, int64(i+place))
			must(t, errors.Join(err, file.Close()))
			return
		}
	}
	t.Fatal("no file holds the content")
}

// Drain asks Tempo to write what it holds, and returns when the spool is empty.
func TestDrain(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	for i := range 20 {
		keep(t, s, "a", upTo(10*i, 10)...)
	}
	o := k.options(s)
	o.Flush = func(context.Context) error {
		k.mu.Lock()
		k.flushes++
		k.mu.Unlock()
		k.cut()
		return nil
	}
	f, _ := k.start(o)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	must(t, f.Drain(ctx))
	if st := s.Status(); st.Pending.Records != 0 || st.Released.Spans != 200 {
		t.Errorf("drained with %+v pending, %+v released", st.Pending, st.Released)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.flushes == 0 {
		t.Error("tempo was not asked to write")
	}
}

func TestDrainEndsInTime(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	keep(t, s, "a", upTo(0, 3)...)
	o := k.options(s)
	o.Flush = func(context.Context) error { return errors.New("no") }
	f, _ := k.start(o)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := f.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Drain returned %v", err)
	}
	if s.Status().Pending.Spans != 3 {
		t.Error("what was not proven left the spool")
	}
}

// An earlier run died between a proof and its release: what blocks hold already is not sent again, record by record.
func TestRecover(t *testing.T) {
	dir := t.TempDir()
	k, s := newTempo(t), openSpool(t, dir)
	for i := range 6 {
		keep(t, s, []string{"a", "b"}[i%2], upTo(10*i, 10)...)
	}
	k.write("a", slices.Concat(upTo(0, 10), upTo(40, 10))...)
	k.write("b", slices.Concat(upTo(10, 10), upTo(30, 9))...) // of the record from 30 on one is missing
	f, _ := k.start(k.options(s))
	k.gets(30)
	k.passes(3)
	if st := s.Status(); st.Pending.Spans != 30 {
		t.Errorf("%d spans are pending, want 30", st.Pending.Spans)
	}
	k.cut()
	empty(t, s)
	sent := k.times()
	for i := range 60 {
		want := map[int]int{2: 1, 3: 1, 5: 1}[i/10]
		if sent[numbered(i)] != want {
			t.Errorf("span %d was sent %d times, want %d", i, sent[numbered(i)], want)
		}
	}
	eventually(t, "all are counted as proven", func() bool { return f.Stats().ProvenSpans == 60 })
}

// The end of a run leaves in the spool what is not proven; the next one sends it.
func TestNextRun(t *testing.T) {
	dir := t.TempDir()
	k := newTempo(t)
	s, err := spool.Open(dir, spool.Options{NoSpare: true})
	must(t, err)
	keep(t, s, "a", upTo(0, 7)...)
	_, stop := k.start(k.options(s))
	k.gets(7)
	stop()
	must(t, s.Close())
	k.end()
	s = openSpool(t, dir)
	k.start(k.options(s))
	k.gets(14)
	k.cut()
	empty(t, s)
}
