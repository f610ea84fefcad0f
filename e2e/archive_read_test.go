package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// TestAPlainTempoReadsAnArchive gives a directory as the archiver leaves it to a Tempo as its storage. Nothing of what
// is ours in it may disturb that Tempo, and it answers as the archive does.
func TestAPlainTempoReadsAnArchive(t *testing.T) {
	dir := t.TempDir()
	storage := filepath.Join(dir, "archive")
	if err := os.CopyFS(filepath.Join(storage, "single-tenant"), os.DirFS("../archive/read/testdata/single-tenant")); err != nil {
		t.Fatal(err)
	}
	blocks, err := os.ReadDir(filepath.Join(storage, "single-tenant"))
	if err != nil {
		t.Fatal(err)
	}
	ours := []string{"catalog", "archiver-0123456789abcdef.json", "pin." + blocks[0].Name() + ".single-tenant"}
	for _, b := range blocks {
		ours = append(ours, filepath.Join("single-tenant", b.Name(), "manifest.json"))
	}
	for _, name := range ours {
		if err := os.WriteFile(filepath.Join(storage, name), []byte("not Tempo's\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	api := plainTempo(t, dir, storage)

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

// plainTempo starts Tempo as it is on a storage, and returns the base of its API. It may not compact or delete there.
func plainTempo(t *testing.T, dir, storage string) string {
	t.Helper()
	var ports [3]string
	for i := range ports {
		_, port, err := net.SplitHostPort(harness.FreePort(t))
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = port
	}
	config := fmt.Sprintf(`
target: all
compactor: {disabled: true}
usage_report: {reporting_enabled: false}
server: {http_listen_address: 127.0.0.1, http_listen_port: %s, grpc_listen_address: 127.0.0.1, grpc_listen_port: %s}
memberlist: {bind_addr: [127.0.0.1], bind_port: %s, join_members: []}
distributor: {ring: {kvstore: {store: inmemory}, instance_addr: 127.0.0.1}}
ingester: {lifecycler: {min_ready_duration: 0s, address: 127.0.0.1, ring: {replication_factor: 1, kvstore: {store: inmemory}}}}
metrics_generator: {ring: {kvstore: {store: inmemory}, instance_addr: 127.0.0.1}}
storage: {trace: {backend: local, local: {path: %s}, wal: {path: %s}}}
`, ports[0], ports[1], ports[2], storage, filepath.Join(dir, "wal"))
	path := filepath.Join(dir, "tempo.yaml")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(harness.Bin(t), "tempo", path)
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	tempo := harness.StartProcess(t, "tempo", cmd)
	t.Cleanup(func() { // Tempo may hang after queries when it is asked to stop; the end of its stdin ends it at once
		lifeline.Close()
		<-tempo.Ended()
	})
	api := fmt.Sprintf("http://127.0.0.1:%s", ports[0])
	harness.Eventually(t, time.Minute, "a Tempo on the archive that is ready", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, api+"/ready", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("ready: %s", resp.Status)
		}
		return nil
	})
	return api
}
