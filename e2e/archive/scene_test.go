package archive

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/e2e/internal/oracle"
)

const (
	retention = time.Minute // the shortest that the configuration takes
	tenant    = "single-tenant"
)

// gentle is a load that several appliances can have at the same time on a small machine.
var gentle = oracle.Shape{Clients: 2, SpansPerSecond: 200, MaxBatch: 200}

// times is how often something is done: short by default, long with TORTURE=long.
func times(short, long int) int {
	if os.Getenv("TORTURE") == "long" {
		return long
	}
	return short
}

// brief are options of an appliance that keeps blocks for a minute, and merges
// and archives them within seconds of their cut.
func brief(dir string, env map[string]string) harness.Options {
	all := harness.QuickBlocks()
	maps.Copy(all, map[string]string{"APPLIANCE_RETENTION": retention.String(), "APPLIANCE_FORWARDER_DRAIN_DEADLINE": "2s"})
	maps.Copy(all, env)
	return harness.Options{DataDir: dir, Env: all}
}

// dataDir is a directory that outlives the appliances of a test.
func dataDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() { harness.EndOrphans(t, dir) })
	return dir
}

func archiveDir(dir string) string { return filepath.Join(dir, "archive") }

// waves are loads one after the other. Each has its own oracle, since a span
// says when its oracle was made: the retention counts from there, and a Tempo
// takes what is older than two minutes for something that happens now.
type waves struct {
	t      *testing.T
	began  time.Time
	all    []*oracle.Oracle
	target string
	shape  oracle.Shape
}

func newWaves(t *testing.T, shape oracle.Shape) *waves {
	return &waves{t: t, began: time.Now(), shape: shape}
}

// to sends what is sent from now on to another appliance.
func (w *waves) to(a *harness.Appliance) {
	w.target = a.IntakeURL()
	for _, o := range w.all {
		o.Target(w.target)
	}
}

// next ends the load, and begins another.
func (w *waves) next() {
	w.stop()
	o := oracle.New(w.t, 200)
	o.Target(w.target)
	w.all = append(w.all, o)
	o.Start(w.shape)
}

func (w *waves) stop() {
	for _, o := range w.all {
		o.StopAll()
	}
}

// send lets waves follow each other for d.
func (w *waves) send(d time.Duration) {
	w.t.Helper()
	const length = 20 * time.Second
	for ; d > 0; d -= length {
		w.next()
		wait(w.t, min(length, d))
	}
}

// mustHold reads all blocks below directories, as another program, and fails
// the test unless everything answered 200 is there.
func (w *waves) mustHold(dirs ...string) (copies int64) {
	w.t.Helper()
	var sum oracle.Verdict
	for i, o := range w.all {
		v, err := o.JudgeBlocks(dirs...)
		if err != nil {
			w.t.Fatal(err)
		}
		if !v.Clean() {
			w.t.Errorf("wave %d: not everything was kept as it was sent: %s: %s", i, v, strings.Join(v.Examples, "; "))
		}
		sum.Traces, sum.Acked, sum.Found, sum.Copies, sum.Duplicated = sum.Traces+v.Traces, sum.Acked+v.Acked, sum.Found+v.Found, sum.Copies+v.Copies, sum.Duplicated+v.Duplicated
		for _, wrong := range o.Counts().Wrong {
			w.t.Errorf("a client got: %s", wrong)
		}
	}
	if sum.Acked == 0 {
		w.t.Error("nothing was answered 200")
	}
	w.t.Logf("measured: %s: in blocks: %d waves, %s", w.t.Name(), len(w.all), sum)
	return sum.Copies
}

// mustHoldOnce is mustHold, and of no span there may be a copy but for those
// that clients sent again.
func (w *waves) mustHoldOnce(dir string) {
	w.t.Helper()
	if copies, again := w.mustHold(dir), w.retried(); copies > again {
		w.t.Errorf("%s has %d copies of spans, of which clients sent %d again", dir, copies, again)
	}
}

// mustAnswer asks a read API for traces of each wave by their ids, and for all of them by TraceQL.
func (w *waves) mustAnswer(api harness.API, tracesEach int) {
	w.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(w.t.Context(), 4*time.Minute)
	defer cancel()
	traces, spans := 0, int64(0)
	for i, o := range w.all {
		v, err := o.Judge(ctx, api.Trace, tracesEach, 30*time.Second)
		if err != nil {
			w.t.Fatalf("wave %d: %v", i, err)
		}
		if !v.Clean() || v.Duplicated > 0 {
			w.t.Errorf("wave %d through the read API: %s: %s", i, v, strings.Join(v.Examples, "; "))
		}
		traces, spans = traces+v.Traces, spans+v.Found
	}
	found := 0
	for query, wanted := range map[string]func(oracle.Sent) bool{
		`{ }`:                                 func(oracle.Sent) bool { return true },
		`{ resource.service.name = "stock" }`: func(s oracle.Sent) bool { return s.Service == "stock" },
	} {
		harness.Eventually(w.t, 30*time.Second, query, func() error {
			ids, err := api.SearchBetween(ctx, query, 10_000, w.began.Add(-time.Minute), time.Now().Add(time.Minute))
			if err != nil {
				return err
			}
			missing, n := 0, 0
			for _, s := range w.sent() {
				if wanted(s) != ids[s.ID] && (s.Acked > 0 || ids[s.ID]) {
					missing++
				}
				n++
			}
			if missing > 0 {
				return fmt.Errorf("%d of %d traces are missing, or there and should not; %d found", missing, n, len(ids))
			}
			found += len(ids)
			return nil
		})
	}
	w.t.Logf("measured: %s: through the read API: %d traces with %d spans by id, %d traces by search, in %.1f s", w.t.Name(), traces, spans, found, time.Since(began).Seconds())
}

// retried is how many spans clients sent again since they got no answer.
func (w *waves) retried() (n int64) {
	for _, o := range w.all {
		c := o.Counts()
		n += c.Tried - c.Sent
	}
	return n
}

// sent are the traces of all waves.
func (w *waves) sent() (all []oracle.Sent) {
	for _, o := range w.all {
		all = append(all, o.Sent()...)
	}
	return all
}

// archived waits until everything sent is in blocks, all that are to be merged
// are, and all are archived.
func archived(t testing.TB, a *harness.Appliance, patience time.Duration) harness.Status {
	t.Helper()
	began := time.Now()
	var s harness.Status
	harness.Eventually(t, patience, "everything proven and archived", func() (err error) {
		if s, err = a.Status(t.Context()); err != nil {
			return err
		}
		if err := s.Ledger.Balanced(); err != nil {
			t.Fatal(err)
		}
		// The archiver counts no block that is still to be merged.
		unmerged := s.Store.Blocks - s.Archive.SourceBlocks
		// A look that began after the last block was proven.
		if s.Ledger.Pending > 0 || unmerged > 0 || s.Archive.PendingBlocks > 0 || s.Archive.LastSuccess.Before(began) {
			began = laterIf(s.Ledger.Pending > 0, began)
			return fmt.Errorf("%d spans are pending, %d blocks are not merged, %d not archived: %+v", s.Ledger.Pending, unmerged, s.Archive.PendingBlocks, s.Archive)
		}
		return nil
	})
	return s
}

// laterIf is now, to the second as status has it, where that is asked for.
func laterIf(later bool, t time.Time) time.Time {
	if later {
		return time.Now().Truncate(time.Second).Add(time.Second)
	}
	return t
}

// wait lets the load go on for d.
func wait(t testing.TB, d time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	<-ctx.Done()
}
