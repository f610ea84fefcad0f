package red

import (
	"errors"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"

	"appliance/internal/durable"
)

// TestNothingShownIsTakenBack ends runs without a save after somebody has looked,
// as kill -9 does: no number that was shown is less afterwards.
func TestNothingShownIsTakenBack(t *testing.T) {
	m := open(t, nil)
	for range 10 {
		someCalls(m, 20)
		if err := m.Save(); err != nil {
			t.Fatal(err)
		}
		shown := map[string]uint64{}
		m.View().Series(func(s *Series) { shown[labelsOf(s.Tenant, s.Service, s.Name, s.Kind, s.Status)] = s.Latency.Count() })
		if len(shown) < 8 {
			t.Fatalf("only %d series are shown", len(shown))
		}
		someCalls(m, 10) // that nobody has seen
		m = again(t, m)
		m.View().Series(func(s *Series) {
			k := labelsOf(s.Tenant, s.Service, s.Name, s.Kind, s.Status)
			if s.Latency.Count() < shown[k] {
				t.Errorf("%s has %d spans after a crash, and %d were shown before", k, s.Latency.Count(), shown[k])
			}
			delete(shown, k)
		})
		if len(shown) > 0 {
			t.Errorf("%d series that were shown are gone after a crash", len(shown))
		}
	}
}

// stubborn is a filesystem that takes no writes, or hangs, when it is told to.
type stubborn struct {
	durable.FS
	full atomic.Bool
	hang atomic.Pointer[chan struct{}]
}

func (s *stubborn) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	if s.full.Load() && strings.Contains(name, stateName) {
		return nil, errors.New("the disk is full")
	}
	if until := s.hang.Load(); until != nil {
		<-*until
	}
	return s.FS.OpenFile(name, flag, perm)
}

// TestViewOfADiskThatTakesNothing goes on counting.
func TestViewOfADiskThatTakesNothing(t *testing.T) {
	disk := &stubborn{FS: durable.OS}
	m := open(t, func(o *Options) { o.FS = disk })
	someCalls(m, 10)
	disk.full.Store(true)
	if n := calls(m); n != 20 {
		t.Errorf("%d spans are shown, and 20 came", n)
	}
	someCalls(m, 10)
	if n := calls(m); n != 40 {
		t.Errorf("%d spans are shown, and 40 came", n)
	}
	disk.full.Store(false)
	n := calls(m)
	if m = again(t, m); n != 40 || calls(m) != 40 {
		t.Errorf("%d spans are shown, and %d after a crash; 40 came", n, calls(m))
	}
}

// TestViewOfADiskThatHangs shows what was saved, and does not wait.
func TestViewOfADiskThatHangs(t *testing.T) {
	disk := &stubborn{FS: durable.OS}
	m := open(t, func(o *Options) { o.FS = disk })
	someCalls(m, 10)
	if n := calls(m); n != 20 {
		t.Fatalf("%d spans are shown, and 20 came", n)
	}
	someCalls(m, 10)
	until := make(chan struct{})
	disk.hang.Store(&until)
	saved := make(chan error)
	go func() { saved <- m.Save() }()
	var n uint64
	m.View().Series(func(s *Series) { n += s.Latency.Count() })
	if n != 20 {
		t.Errorf("%d spans are shown while the disk hangs, want the 20 that were saved", n)
	}
	close(until)
	if err := <-saved; err != nil {
		t.Fatal(err)
	}
	if n := calls(m); n != 40 {
		t.Errorf("%d spans are shown, and 40 came", n)
	}
}
