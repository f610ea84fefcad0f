package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// How soon a span that was answered 200 is found, by the promise, and how many
// times as much a busy machine may take.
const (
	foundByID     = 100 * time.Millisecond
	foundBySearch = time.Second
	busy          = 5
)

// TestFoundSoon sends one trace after the other and looks for each at once: by
// its id, and by a search for an attribute that it alone has.
func TestFoundSoon(t *testing.T) {
	a := harness.Start(t, harness.Options{})
	var byID, bySearch time.Duration
	for i := range 30 {
		service := fmt.Sprintf("soon-%d", i)
		request, ids := harness.NewRequest(service, 1, 3)
		if answer, err := a.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
			t.Fatalf("send: %v, %+v", err, answer)
		}
		answered := time.Now()
		harness.Eventually(t, busy*foundByID, "a trace found by its id", func() error {
			n, err := a.SpanCount(t.Context(), ids[0])
			if err == nil && n != 3 {
				err = fmt.Errorf("%d of 3 spans", n)
			}
			return err
		})
		byID = max(byID, time.Since(answered))
		harness.Eventually(t, busy*foundBySearch, "a trace found by a search", func() error {
			found, err := a.Search(t.Context(), fmt.Sprintf("{ resource.service.name = %q }", service), 10)
			if err == nil && !found[ids[0]] {
				err = fmt.Errorf("it is not among the %d found", len(found))
			}
			return err
		})
		bySearch = max(bySearch, time.Since(answered))
	}
	t.Logf("found by id after %d ms at most (promised: %d), by search after %d ms (promised: %d)",
		byID.Milliseconds(), foundByID.Milliseconds(), bySearch.Milliseconds(), foundBySearch.Milliseconds())
}

// TestAnswersNeverChange asks the same questions again and again, while the
// spans that they are about go from the spool to a block, from that to a merged
// one, from there into the archive, and then are in the archive alone. Each
// answer has each span once.
func TestAnswersNeverChange(t *testing.T) {
	env := harness.QuickBlocks()
	env["APPLIANCE_RETENTION"] = "1m"
	env["APPLIANCE_BLOCKS_MAX_WAIT"] = "3s" // live for long enough to be asked there
	a := harness.Start(t, harness.Options{Env: env})
	const traces, spans = 40, 5
	request, ids := harness.NewRequest("moving", traces, spans)
	for _, ss := range request.ResourceSpans[0].ScopeSpans {
		for _, s := range ss.Spans { // old enough to be purged as soon as the archive has them
			s.StartTimeUnixNano -= uint64(2 * time.Minute)
			s.EndTimeUnixNano -= uint64(2 * time.Minute)
		}
	}
	since := time.Now().Add(-10 * time.Minute)
	// In two halves, so that traces have to be put together. A part is sent
	// twice, as by a client that did not get its answer.
	half := request.ResourceSpans[0].ScopeSpans[0].Spans
	for i := range 3 {
		part := []int{0, 1, 0}[i] * len(half) / 2
		request.ResourceSpans[0].ScopeSpans[0].Spans = half[part : part+len(half)/2]
		if answer, err := a.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
			t.Fatalf("send: %v, %+v", err, answer)
		}
	}
	wanted := slices.Sorted(slices.Values(ids))

	seen, asked := map[string]int{}, 0
	check := func() error {
		id := ids[rand.IntN(len(ids))]
		if n, err := a.SpanCount(t.Context(), id); err != nil || n != spans {
			return fmt.Errorf("trace %s has %d of %d spans: %v", id, n, spans, err)
		}
		found, err := harness.API(a.Read).SearchBetween(t.Context(), `{ resource.service.name = "moving" }`, 10*traces, since, time.Now().Add(time.Minute))
		if err != nil {
			return fmt.Errorf("search: %w", err)
		}
		if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, wanted) {
			return fmt.Errorf("a search finds %d of %d traces", len(got), len(wanted))
		}
		matched, err := a.Matched(t.Context(), `{ resource.service.name = "moving" && name =~ "child.*" }`, 10*traces, 10*spans, since, time.Now().Add(time.Minute))
		if err != nil {
			return fmt.Errorf("search: %w", err)
		}
		for _, id := range ids {
			if matched[id] != spans-1 {
				return fmt.Errorf("a search matches %d of the %d spans of trace %s", matched[id], spans-1, id)
			}
		}
		n, err := a.Count(t.Context(), `{ resource.service.name = "moving" } | count_over_time()`, since, time.Now())
		if err != nil || n != traces*spans {
			return fmt.Errorf("%v spans are counted of %d: %v", n, traces*spans, err)
		}
		return nil
	}
	harness.Eventually(t, busy*foundBySearch, "the first answer", check)
	deadline := time.Now().Add(3 * time.Minute)
	for gone := 0; gone < 20; asked++ {
		where := whereabouts(t, a)
		err := check()
		seen[where]++
		if err != nil {
			t.Fatalf("answer %d differs, while the spans were %s and then %s: %v", asked, where, whereabouts(t, a), err)
		}
		if where == "in the archive alone" {
			gone++
		}
		if time.Now().After(deadline) {
			t.Fatalf("the spans are still %s; asked were %v", where, seen)
		}
	}
	t.Logf("%d times the same answers: %v", asked, seen)
	for _, where := range []string{"live", "in small blocks", "in merged blocks", "in the archive alone"} {
		if seen[where] == 0 {
			t.Errorf("nothing was asked while the spans were %s: %v", where, seen)
		}
	}
}

// whereabouts says where the spans of an appliance are.
func whereabouts(t *testing.T, a *harness.Appliance) string {
	t.Helper()
	s, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	archived, err := filepath.Glob(filepath.Join(a.DataDir, "archive", "single-tenant", "*", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case s.Store.LiveSpans > 0:
		return "live"
	case s.Store.Blocks == 0 && len(archived) > 0:
		return "in the archive alone"
	case len(archived) > 0:
		return "in the archive as well"
	case s.Store.Merges > 0:
		return "in merged blocks"
	}
	return "in small blocks"
}
