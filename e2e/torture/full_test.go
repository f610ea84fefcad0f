package torture

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/e2e/internal/oracle"
)

// TestFullDisk fills the disk that holds everything, under load; clients are
// told to come back. It also has the appliance start on the full disk after a
// kill. When there is room again it goes on by itself.
func TestFullDisk(t *testing.T) {
	rounds := times(2, 10)
	// for the spool, and for what Tempo and the archive make of it
	mount := smallDisk(t, int64(rounds)*384<<20)
	dir, ballast := filepath.Join(mount, "data"), filepath.Join(mount, "ballast")
	// segments of 16 MiB, so that it needs room soon
	env := map[string]string{"APPLIANCE_SPOOL_MAX_BYTES": "64MiB"}
	o := oracle.New(t, 1000)
	a := harness.Start(t, quick(t, dir, env))
	o.Target(a.IntakeURL())
	for round := range rounds {
		load := o.Start(oracle.Shape{Clients: 8, SpansPerSecond: 10_000})
		wait(t, 500*time.Millisecond)
		fill(t, ballast)
		more(t, o, http.StatusServiceUnavailable, 20)
		if round%2 == 1 {
			kill(t, a)
			a = harness.Launch(t, quick(t, dir, env))
			o.Target(a.IntakeURL())
			takes(t, a)
			more(t, o, http.StatusServiceUnavailable, 20)
		}
		if !a.Alive() {
			t.Fatal("it ended on a full disk")
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		more(t, o, http.StatusOK, 20)
		load.Stop()
		drained(t, a, 2*time.Minute)
	}
	t.Logf("measured: %s: answers %v", t.Name(), o.Counts().Answers)
	judge(t, o, a, time.Minute)
}

// fill takes all the room that is left.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<20); ; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// more waits until clients got n more answers with a status.
func more(t *testing.T, o *oracle.Oracle, status int, n int64) {
	t.Helper()
	before := o.Counts().Answers[status]
	harness.Eventually(t, 30*time.Second, fmt.Sprintf("%d answers %d", n, status), func() error {
		if got := o.Counts(); got.Answers[status] < before+n {
			return fmt.Errorf("%d so far: %+v", got.Answers[status]-before, got)
		}
		return nil
	})
}
