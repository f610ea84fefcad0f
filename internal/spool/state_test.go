package spool

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// halfReleased is a spool of ten records, of which the first five are released,
// and one deleted segment before them.
func halfReleased(t *testing.T) *crashfs.FS {
	t.Helper()
	fsys := crashfs.New()
	s, err := Open("/spool", Options{FS: fsys, CheckpointEvery: -1, SegmentBytes: 8 << 10})
	must(t, err)
	for _, pos := range appendNumbered(t, s, upTo(10)...) {
		must(t, s.Release(pos))
	}
	must(t, s.Close())
	s, err = Open("/spool", Options{FS: fsys, CheckpointEvery: -1, SegmentBytes: 8 << 10})
	must(t, err)
	at := appendNumbered(t, s, upTo(10)...)
	for n := range 5 {
		must(t, s.Release(at[n]))
	}
	must(t, s.Close())
	return fsys
}

// goesOn opens a spool with something wrong in its state: what is read, what the
// account of it says, and whether anybody was told.
func goesOn(t *testing.T, where string, fsys durable.FS, want []int, released int64, told bool) {
	t.Helper()
	report, err := Verify(fsys, "/spool")
	must(t, err)
	s, err := Open("/spool", Options{FS: fsys, SegmentBytes: 8 << 10})
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	if got := mustPass(t, s); !slices.Equal(got, want) {
		t.Fatalf("%s: read %v, want %v", where, got, want)
	}
	st := s.Status()
	if st.Released.Records != released || st.Pending.Records != int64(len(want)) {
		t.Fatalf("%s: released %d and pending %d records, want %d and %d", where, st.Released.Records, st.Pending.Records, released, len(want))
	}
	if (report.State != "") != told || (st.LastError != "") != told {
		t.Fatalf("%s: verify says %q, the status %q", where, report.State, st.LastError)
	}
	must(t, s.Close())
	if report, err := Verify(fsys, "/spool"); err != nil || report.State != "" {
		t.Fatalf("%s: after the next start: %q, %v", where, report.State, err)
	}
}

// Any byte of one state file costs nothing: the other one has the same content.
func TestDamagedState(t *testing.T) {
	base := halfReleased(t)
	entries, err := base.ReadDir("/spool")
	must(t, err)
	for _, name := range []string{stateName, stateCopy} {
		whole := file(t, base, "/spool/"+name)
		for off := 0; off < len(whole); off += 1 + off/10 {
			b := slices.Clone(whole)
			b[off] ^= 4
			fsys := crashfs.New()
			must(t, durable.MkdirAll(fsys, "/spool", dirMode))
			for _, e := range entries {
				must(t, durable.WriteFile(fsys, "/spool/"+e.Name(), file(t, base, "/spool/"+e.Name()), fileMode))
			}
			must(t, durable.WriteFile(fsys, "/spool/"+name, b, fileMode))
			goesOn(t, fmt.Sprintf("%s, offset %d", name, off), fsys, []int{5, 6, 7, 8, 9}, 15, name == stateName)
			if name == stateName && !bytes.Equal(file(t, fsys, "/spool/"+stateAside), b) {
				t.Fatalf("offset %d: what was damaged is not kept", off)
			}
		}
	}
}

// Where both are damaged all that is there is read again, and somebody is told
// what that costs.
func TestBothStatesDamaged(t *testing.T) {
	fsys := halfReleased(t)
	for _, name := range []string{stateName, stateCopy} {
		b := file(t, fsys, "/spool/"+name)
		b[40] ^= 1
		must(t, durable.WriteFile(fsys, "/spool/"+name, b, fileMode))
	}
	if report, err := Verify(fsys, "/spool"); err != nil || !strings.Contains(report.State, "sums over deleted segments are lost") {
		t.Errorf("report %q, %v", report.State, err)
	}
	goesOn(t, "both", fsys, upTo(10), 0, true)
}

// A state file that is gone, that the disk does not give or that is something
// else keeps nobody from starting, and nothing is forgotten.
func TestUnreadableState(t *testing.T) {
	for _, how := range []string{"gone", "no sector", "not opened", "a directory"} {
		fsys := &unreadable{FS: halfReleased(t)}
		name := "/spool/" + stateName
		switch how {
		case "gone":
			must(t, fsys.Remove(name))
		case "no sector":
			fsys.fail(name, 10, 11)
		case "not opened":
			fsys.fail(name, 0, 0)
			fsys.closed = true
		case "a directory":
			must(t, fsys.Remove(name))
			must(t, fsys.Mkdir(name, dirMode))
		}
		s, err := Open("/spool", Options{FS: fsys, SegmentBytes: 8 << 10})
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		if got := mustPass(t, s); !slices.Equal(got, []int{5, 6, 7, 8, 9}) {
			t.Errorf("%s: read %v", how, got)
		}
		if st := s.Status(); st.Released.Records != 15 || st.LastError == "" {
			t.Errorf("%s: released %d, last error %q", how, st.Released.Records, st.LastError)
		}
		must(t, s.Close())
	}
}

// The copy may be half-written by a crash while the state file is whole: it is
// never the only one.
func TestStateCopyIsWrittenAfterTheState(t *testing.T) {
	fsys := halfReleased(t)
	s, err := Open("/spool", Options{FS: fsys, CheckpointEvery: -1, SegmentBytes: 8 << 10})
	must(t, err)
	defer s.Close()
	var order []string
	fsys.Fail(func(op crashfs.Op) error {
		if op.Kind == crashfs.Rename || op.Kind == crashfs.Write && strings.HasSuffix(op.Path, stateCopy) {
			order = append(order, string(op.Kind))
		}
		return nil
	})
	var first Position
	for i, err := range s.Pending(Position{}) {
		must(t, err)
		first = i.Position
		break
	}
	must(t, s.Release(first))
	if !slices.Equal(order, []string{"rename", "write"}) {
		t.Errorf("did %v", order)
	}
	for _, name := range []string{stateName, stateCopy} {
		st, err := decodeState(file(t, fsys, "/spool/"+name))
		must(t, err)
		if len(st.Segments) != 1 || st.Segments[0].Index != 6 {
			t.Errorf("%s: %+v", name, st)
		}
	}
	f, err := fsys.OpenFile("/spool/"+stateCopy, os.O_RDONLY, 0)
	must(t, err)
	if size, err := f.Size(); err != nil || size != copyUnit {
		t.Errorf("the copy has %d bytes, %v", size, err)
	}
}
