package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/e2e/internal/oracle"
)

// TestFlippedByte changes bytes anywhere in the segments while the appliance is
// down. Each costs the record it is in at most, and what it cost is in the
// ledger. Where the appliance was killed the very end is spared: damage to the
// last records that were written cannot be told from what the kill left
// half-written.
func TestFlippedByte(t *testing.T) {
	t.Parallel()
	const flips = 8
	for i := range times(2, 50) {
		inOrder := i%2 == 0
		t.Run(fmt.Sprintf("stopped in order %v", inOrder), func(t *testing.T) {
			o, dir := oracle.New(t, 200), dataDir(t)
			away := harness.Launch(t, collecting(t, dir, nil))
			takes(t, away)
			o.Target(away.IntakeURL())
			load := o.Start(clients)
			wait(t, 2*time.Second)
			load.Stop()
			part := 1.0
			if inOrder {
				away.Stop(t)
			} else {
				kill(t, away)
				part = 0.7
			}
			for range flips {
				flip(t, filepath.Join(dir, "spool"), part)
			}

			a := harness.Start(t, quick(t, dir, nil))
			drained(t, a, time.Minute)
			v, ledger := inStore(t, o, dir), account(t, o, a)
			t.Logf("measured: %s: %d bytes flipped, %d spans damaged by the ledger: %s", t.Name(), flips, ledger.Damaged, v)
			if v.Corrupted > 0 || v.Invented > 0 || len(v.MissingOf) > flips {
				t.Errorf("%d flipped bytes cost spans of %d requests: %v", flips, len(v.MissingOf), v.Examples)
			}
			if ledger.Damaged < v.Missing {
				t.Errorf("%d spans are missing, the ledger says that %d are damaged", v.Missing, ledger.Damaged)
			}
		})
	}
}

// flip changes a byte in the first part of what was written to one of the segments.
func flip(t *testing.T, spool string, part float64) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(spool, "*.seg"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no segments in %s: %v", spool, err)
	}
	name := segments[rand.IntN(len(segments))]
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(text, "\x00"))
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at := rand.IntN(max(1, int(part*float64(used))))
	if _, err := f.WriteAt([]byte{text[at] ^ byte(1+rand.IntN(255))}, int64(at)); err != nil {
		t.Fatal(err)
	}
}
