package upgrade

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"appliance/e2e/internal/harness"
)

// writeVersion lets the binary write one of everything, and kills it with spans in the spool.
func writeVersion(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	out := expected{Embedded: writeEmbedded(t, filepath.Join(dir, storing)), Elsewhere: writeElsewhere(t, filepath.Join(dir, sending))}
	text, err := json.MarshalIndent(out, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, inventory), append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// writeEmbedded makes archived blocks, one of them pinned, blocks that are not
// archived, and pending spans.
func writeEmbedded(t *testing.T, archive string) content {
	t.Helper()
	dir := t.TempDir()
	out := content{Spans: map[string]int{}, Files: []string{
		"format", "instance-id", "ledger.json",
		"spool/*.seg", "spool/state", "spool/state.copy",
		"blocks/*/*/meta.json", "blocks/*/*/data.parquet", "blocks/*/*/index", "blocks/*/*/bloom-0", "blocks/*/*/lineage.json",
		"archive/*/*/manifest.json", "archive/@store.json", "archive/@catalog", "archive/@pin.*", "archive/@archiver-*.json",
	}}
	sampled := map[string]string{"APPLIANCE_SAMPLER_PROBABILITY": "0.5"}
	maps.Copy(sampled, harness.QuickBlocks())

	a := harness.Start(t, harness.Options{DataDir: dir, Env: sampled})
	var ids []string
	for range 4 {
		ids = append(ids, send(t, a, "archived")...)
	}
	harness.Eventually(t, patience, "blocks are archived", func() error {
		s, err := a.Status(t.Context())
		if err == nil && (s.Ledger.Pending > 0 || s.Archive.ArchivedBlocks == 0 || s.Archive.PendingBlocks > 0) {
			err = fmt.Errorf("%+v", s)
		}
		return err
	})
	for _, id := range ids {
		n, err := a.SpanCount(t.Context(), id)
		switch {
		case errors.Is(err, harness.ErrNotFound): // sampled out
		case err != nil:
			t.Fatal(err)
		default:
			out.Spans[id] = n
		}
	}
	if len(out.Spans) == 0 || len(out.Spans) == len(ids) {
		t.Fatalf("of %d traces %d were kept; write again", len(ids), len(out.Spans))
	}
	a.Stop(t)
	var blocks []struct{ Block string }
	if err := json.Unmarshal([]byte(command(t, dir, "archive", "list", "--source", "none", "-o", "json")), &blocks); err != nil || len(blocks) == 0 {
		t.Fatalf("%d archived blocks, %v", len(blocks), err)
	}
	out.Pinned = blocks[0].Block
	command(t, dir, "archive", "pin", out.Pinned)

	// A catalog is written after 64 blocks or an hour, and one that is damaged at once.
	damaged := []byte("damaged")
	catalog := filepath.Join(dir, "archive", "@catalog")
	if err := os.WriteFile(catalog, damaged, 0o640); err != nil {
		t.Fatal(err)
	}
	a = harness.Start(t, harness.Options{DataDir: dir, Env: map[string]string{"APPLIANCE_BLOCKS_MAX_WAIT": "1s"}})
	harness.Eventually(t, patience, "the catalog is written again", func() error {
		text, err := os.ReadFile(catalog)
		if err == nil && bytes.Equal(text, damaged) {
			err = errors.New("not yet")
		}
		return err
	})
	keep(out.Spans, send(t, a, "in-a-block"))
	harness.Eventually(t, patience, "a block that is not archived", func() error {
		s, err := a.Status(t.Context())
		if err == nil && s.Ledger.Pending > 0 {
			err = fmt.Errorf("%+v", s.Ledger)
		}
		return err
	})
	a.Stop(t)

	a = harness.Start(t, harness.Options{DataDir: dir, Env: map[string]string{"APPLIANCE_BLOCKS_MAX_WAIT": "10m"}})
	keep(out.Spans, send(t, a, "pending"))
	out.Ledger = a.Account(t)
	a.Kill(t)
	pack(t, dir, archive)
	return out
}

// writeElsewhere makes spans that are pending, and some that the Tempo does not take.
func writeElsewhere(t *testing.T, archive string) content {
	t.Helper()
	dir := t.TempDir()
	out := content{Spans: map[string]int{}, Files: []string{"format", "spool/*.seg", "spool/state", "spool/stuck/*.stuck"}}
	var away atomic.Bool
	tempo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || away.Load() || bytes.Contains(body, []byte("guilty")) {
			http.Error(w, "not this one", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", harness.Protobuf)
	}))
	defer tempo.Close()
	a := harness.Start(t, harness.Options{DataDir: dir, Env: map[string]string{
		"APPLIANCE_FORWARDER_TEMPO_URL": tempo.URL, "APPLIANCE_FORWARDER_DRAIN_DEADLINE": "0s",
		"APPLIANCE_FORWARDER_SETTLE": "1s",
	}})
	keep(out.Spans, send(t, a, "guilty"))
	harness.Eventually(t, patience, "spans are set aside", func() error {
		send(t, a, "innocent") // what is taken in between shows that it is not the Tempo
		stuck, err := filepath.Glob(filepath.Join(dir, "spool", "stuck", "*.stuck"))
		if err == nil && len(stuck) == 0 {
			err = fmt.Errorf("nothing is stuck")
		}
		return err
	})
	away.Store(true)
	keep(out.Spans, send(t, a, "pending"))
	s, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out.Ledger = s.Ledger
	a.Kill(t)
	pack(t, dir, archive)
	return out
}

const spansEach = 5

// send sends a few traces and returns their ids.
func send(t *testing.T, a *harness.Appliance, service string) []string {
	t.Helper()
	const traces = 4
	request, ids := harness.NewRequest(service, traces, spansEach)
	answer, err := a.Export(t.Context(), request)
	if err != nil || answer.Status != http.StatusOK {
		t.Fatalf("export: %+v, %v", answer, err)
	}
	return ids
}

// keep notes that all spans of the traces are kept.
func keep(spans map[string]int, ids []string) {
	for _, id := range ids {
		spans[id] = spansEach
	}
}
