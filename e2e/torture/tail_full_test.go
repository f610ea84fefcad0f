package torture

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/e2e/internal/oracle"
)

// TestTailFullSpool fills the spool while nothing is decided: clients are told to
// come back, nothing is decided early for that, also after a kill. When the
// traces are decided there is room again.
func TestTailFullSpool(t *testing.T) {
	t.Parallel()
	for range times(1, 5) {
		t.Run("", func(t *testing.T) {
			x := newTailing(t, dataDir(t), 2000)
			x.env["APPLIANCE_SPOOL_MAX_BYTES"] = "16MiB"
			x.write(t, oracle.ErrorsFirst(), time.Hour)
			x.launch(t)
			x.Start(8, 400)
			full := func() {
				t.Helper()
				x.more(t, http.StatusServiceUnavailable, 20)
				x.becomes(t, "all of it is undecided", func(s harness.Status) bool {
					if s.Tail.Early != 0 || s.Ledger.Proven != 0 || leftOut(s) != 0 {
						t.Fatalf("something is decided: %+v, %+v", s.Ledger, s.Tail)
					}
					return s.Ledger.Undecided > 0 && s.Ledger.Undecided == s.Ledger.Kept
				})
			}
			full()
			kill(t, x.a)
			x.launch(t)
			full()
			x.write(t, oracle.ErrorsFirst(), tailWait)
			x.reload(t)
			x.more(t, http.StatusOK, 200)
			x.judge(t)
		})
	}
}

// leftOut is what the rules left out.
func leftOut(s harness.Status) (n int64) {
	for _, spans := range s.Ledger.SampledOut {
		n += spans
	}
	return n
}

// TestTailFullDisk fills the disk of everything while traces wait. Once it takes
// the little room as well that verdicts have of their own, and once it has the
// appliance start on the full disk. When there is room again it goes on by itself.
func TestTailFullDisk(t *testing.T) {
	rounds := times(2, 10)
	mount := smallDisk(t, int64(rounds)*256<<20)
	x := newTailing(t, filepath.Join(mount, "data"), 1000)
	x.env["APPLIANCE_SPOOL_MAX_BYTES"] = "64MiB"
	ballast := filepath.Join(mount, "ballast")
	x.write(t, oracle.ErrorsFirst(), tailWait)
	x.launch(t)
	for round := range rounds {
		load := x.Start(8, 300)
		wait(t, time.Duration(round%2)*2*tailWait)
		fill(t, ballast)
		if round%2 == 0 {
			stop := keepFull(t, ballast)
			x.more(t, http.StatusServiceUnavailable, 20)
			x.becomes(t, "verdicts that cannot be written, or nothing to decide", func(s harness.Status) bool {
				return strings.Contains(s.Tail.LastError, "no space") || s.Ledger.Undecided == 0
			})
			stop()
		} else {
			x.more(t, http.StatusServiceUnavailable, 20)
			kill(t, x.a)
			x.launch(t)
			x.more(t, http.StatusServiceUnavailable, 20)
		}
		if !x.a.Alive() {
			t.Fatal("it ended on a full disk")
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		x.more(t, http.StatusOK, 50)
		load.Stop()
		drained(t, x.a, 2*time.Minute)
	}
	x.judge(t)
}

// keepFull takes all room that comes until it is stopped.
func keepFull(t *testing.T, name string) (stop func()) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var filling sync.WaitGroup
	filling.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for page := make([]byte, 4096); ; {
			if _, err := f.Write(page); err == nil {
				continue
			}
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		filling.Wait()
		f.Close()
	}
}
