package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"appliance/e2e/internal/harness"
)

// TestAPlainTempoReadsAnArchive gives a directory as the archiver leaves it to
// a Tempo as its storage. Nothing of what is ours in it may disturb that Tempo,
// and it answers as the archive does.
func TestAPlainTempoReadsAnArchive(t *testing.T) {
	storage := filepath.Join(t.TempDir(), "archive")
	if err := os.CopyFS(filepath.Join(storage, "single-tenant"), os.DirFS("../archive/read/testdata/single-tenant")); err != nil {
		t.Fatal(err)
	}
	blocks, err := os.ReadDir(filepath.Join(storage, "single-tenant"))
	if err != nil {
		t.Fatal(err)
	}
	ours := []string{"@catalog", "@archiver-0123456789abcdef.json", "@pin." + blocks[0].Name() + ".single-tenant"}
	for _, b := range blocks {
		ours = append(ours, filepath.Join("single-tenant", b.Name(), "manifest.json"))
	}
	for _, name := range ours {
		if err := os.WriteFile(filepath.Join(storage, name), []byte("not Tempo's\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	api := "http://" + string(harness.StartTempo(t, storage, harness.ReadingTempo).API)

	for i := range 250 {
		resp, err := http.Get(api + "/api/traces/" + formulaID("trace", i))
		if err != nil {
			t.Fatal(err)
		}
		tr := struct {
			Batches []struct {
				ScopeSpans []struct{ Spans []struct{ SpanID string } }
			}
		}{}
		err = json.NewDecoder(resp.Body).Decode(&tr)
		resp.Body.Close()
		spans := 0
		for _, b := range tr.Batches {
			for _, ss := range b.ScopeSpans {
				spans += len(ss.Spans)
			}
		}
		if resp.StatusCode != 200 || err != nil || spans != 3 {
			t.Fatalf("trace %d: %s, %d spans, %v", i, resp.Status, spans, err)
		}
	}
	for query, matches := range map[string]func(i int) bool{
		`{ resource.service.name = "shop" }`:                        func(i int) bool { return i%3 == 0 },
		`{ status = error }`:                                        func(i int) bool { return i%10 == 0 },
		`{ span.order.id >= 145 && span.order.id < 155 }`:           func(i int) bool { return i >= 145 && i < 155 },
		`{ name = "GET /orders" } >> { kind = producer }`:           func(int) bool { return true },
		`{ .service.version = "1.3" && .order.id > 200 }`:           func(i int) bool { return i%4 == 3 && i > 200 },
		`{ resource.service.name = "shop" } && { kind = internal }`: func(int) bool { return false },
	} {
		var want []string
		for i := range 250 {
			if matches(i) {
				want = append(want, formulaID("trace", i))
			}
		}
		slices.Sort(want)
		if got := searchPlain(t, api, query); !slices.Equal(got, want) {
			t.Errorf("%s: %d traces, want %d", query, len(got), len(want))
		}
	}
}

// formulaID is the id of the trace i in testdata.
func formulaID(kind string, i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s-%d", kind, i))
	return fmt.Sprintf("%x", sum[:16])
}

func searchPlain(t *testing.T, api, query string) (ids []string) {
	t.Helper()
	q := url.Values{"q": {query}, "limit": {"1000"}, "start": {"1795360000"}, "end": {"1795366800"}}
	resp, err := http.Get(api + "/api/search?" + q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var found struct{ Traces []struct{ TraceID string } }
	if err := json.NewDecoder(resp.Body).Decode(&found); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %s %v", query, resp.Status, err)
	}
	for _, tr := range found.Traces {
		ids = append(ids, harness.PadTraceID(tr.TraceID))
	}
	slices.Sort(ids)
	return ids
}
