package spool

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// vanishing is a spool on the disk of the machine, with two sealed segments at
// least. Record 0 of the first is released.
func vanishing(t *testing.T) (s *Spool, dir string, at map[int]Position, logs *bytes.Buffer) {
	t.Helper()
	dir, logs = t.TempDir(), &bytes.Buffer{}
	s = open(t, dir, Options{SegmentBytes: 8 << 10, CheckpointEvery: -1, NoSpare: true, Logger: slog.New(slog.NewTextHandler(logs, nil))})
	at = appendNumbered(t, s, upTo(40)...)
	must(t, s.Release(at[0]))
	return s, dir, at, logs
}

// in is which records are in the segment of one of them.
func in(at map[int]Position, n int) (numbers []int, counts Counts) {
	for _, m := range upTo(len(at)) {
		if at[m].Segment == at[n].Segment {
			numbers, counts = append(numbers, m), counts.plus(Counts{1, int64(numbered(m).Spans)})
		}
	}
	return numbers, counts
}

func without(all []int, some ...int) []int {
	return slices.DeleteFunc(slices.Clone(all), func(n int) bool { return slices.Contains(some, n) })
}

func (s *Spool) pathOf(p Position) string { return s.segmentOf(p).path }

// A sealed segment that somebody deletes while the spool is open is noticed,
// told of once, and counted as lost; nothing else is touched by it.
func TestDeletedSegment(t *testing.T) {
	s, dir, at, logs := vanishing(t)
	before := s.Status()
	name := s.pathOf(at[0])
	moved := filepath.Join(t.TempDir(), "moved")
	must(t, os.Rename(name, moved))
	s.Look()
	s.Look()
	gone, counts := in(at, 0)
	counts = counts.minus(Counts{1, int64(numbered(0).Spans)}) // released before
	if got := mustPass(t, s); !slices.Equal(got, without(upTo(40), gone...)) {
		t.Errorf("read %v", got)
	}
	if n := strings.Count(logs.String(), "a segment is gone"); n != 1 {
		t.Errorf("told %d times:\n%s", n, logs)
	}
	check := func(when string, st Status) {
		t.Helper()
		if st.Lost.Counts != counts || st.Released.Records != 1 || st.Pending.Records != 40-1-counts.Records {
			t.Errorf("%s: lost %+v, released %+v, pending %+v", when, st.Lost.Counts, st.Released.Counts, st.Pending.Counts)
		}
	}
	st := s.Status()
	check("at once", st)
	if st.Bytes >= before.Bytes || st.LastError == "" {
		t.Errorf("%d bytes of %d, last error %q", st.Bytes, before.Bytes, st.LastError)
	}
	must(t, s.Release(at[1])) // nobody knows of it any more
	must(t, s.Close())
	// It stays in the account, over a start and the next.
	for range 2 {
		s = open(t, dir, Options{CheckpointEvery: -1})
		check("after the next start", s.Status())
		must(t, s.Close())
	}
}

// What was moved away and is back at the next start is not lost.
func TestDeletedSegmentComesBack(t *testing.T) {
	s, dir, at, _ := vanishing(t)
	name := s.pathOf(at[0])
	must(t, os.Rename(name, name+".moved"))
	s.Look()
	must(t, s.Close())
	must(t, os.Rename(name+".moved", name))
	s = open(t, dir, Options{CheckpointEvery: -1})
	if got := mustPass(t, s); !slices.Equal(got, without(upTo(40), 0)) {
		t.Errorf("read %v", got)
	}
	if st := s.Status(); st.Lost.Records != 0 || st.Released.Records != 1 || st.Pending.Records != 39 {
		t.Errorf("%+v", st)
	}
}

// The segment that is written to is looked at before each acknowledgement: no
// Append is acknowledged that went into a file without a name.
func TestDeletedActiveSegment(t *testing.T) {
	for _, looked := range []bool{true, false} {
		s, _, at, logs := vanishing(t)
		active := at[39]
		must(t, os.Remove(s.pathOf(active)))
		if looked {
			s.Look() // it was noticed before
		} else if _, err := s.Append(numbered(40)); !errors.Is(err, errVanished) {
			t.Fatalf("acknowledged although its file is gone: %v", err)
		}
		at[41] = appendNumbered(t, s, 41)[41]
		if at[41].Segment == active.Segment {
			t.Error("went on in a file without a name")
		}
		gone, counts := in(at, 39)
		want := append(without(upTo(40), append(gone, 0)...), 41)
		if got := mustPass(t, s); !slices.Equal(got, want) {
			t.Errorf("looked %t: read %v, want %v", looked, got, want)
		}
		if st := s.Status(); st.Lost.Counts != counts || st.Pending.Records != int64(len(want)) {
			t.Errorf("looked %t: lost %+v, want %+v, pending %+v", looked, st.Lost.Counts, counts, st.Pending.Counts)
		}
		if n := strings.Count(logs.String(), "a segment is gone"); n != 1 {
			t.Errorf("told %d times:\n%s", n, logs)
		}
	}
}

// A file that was copied and moved back is as good as the first; one of another
// content is not, and is left alone.
func TestReplacedSegment(t *testing.T) {
	for _, same := range []bool{true, false} {
		s, dir, at, _ := vanishing(t)
		name := s.pathOf(at[0])
		content, err := os.ReadFile(name)
		must(t, err)
		if !same {
			content = bytes.Repeat([]byte("x"), len(content))
		}
		must(t, os.WriteFile(name+".new", content, 0o600))
		must(t, os.Rename(name+".new", name))
		s.Look()
		gone, counts := in(at, 0)
		counts = counts.minus(Counts{1, int64(numbered(0).Spans)})
		want := without(upTo(40), gone...)
		if same {
			want, counts = without(upTo(40), 0), Counts{}
		}
		if got := mustPass(t, s); !slices.Equal(got, want) {
			t.Errorf("same %t: read %v", same, got)
		}
		if st := s.Status(); st.Lost.Counts != counts {
			t.Errorf("same %t: lost %+v, want %+v", same, st.Lost.Counts, counts)
		}
		must(t, s.Close())
		if now, err := os.ReadFile(name); err != nil || !bytes.Equal(now, content) {
			t.Errorf("same %t: the new file was changed: %v", same, err)
		}
		s = open(t, dir, Options{CheckpointEvery: -1})
		if st := s.Status(); st.Lost.Counts != counts || st.Pending.Records != int64(len(want)) || st.Released.Records != 1 {
			t.Errorf("same %t: after the next start: %+v", same, st)
		}
		must(t, s.Close())
	}
}

// A file of another content is not read as if it were damaged, before somebody
// has looked.
func TestReplacedSegmentIsNotRead(t *testing.T) {
	s, _, at, _ := vanishing(t)
	name := s.pathOf(at[0])
	must(t, os.WriteFile(name+".new", make([]byte, 8<<10), 0o600))
	must(t, os.Rename(name+".new", name))
	if _, err := s.ReadAt(at[1], nil); !errors.Is(err, errVanished) {
		t.Errorf("read %v", err)
	}
	if st := s.Status(); st.Lost.Records != 0 || st.Pending.Records != 39 {
		t.Errorf("%+v", st)
	}
}
