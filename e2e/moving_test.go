package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"appliance/e2e/internal/harness"
)

const tenant = "single-tenant"

// TestVersionBefore starts on the data directory of version 0.1, which had a
// Tempo within: blocks of Tempo's, marks of those that were proven, and a
// spool. Everything is found, and once.
func TestVersionBefore(t *testing.T) {
	collecting := harness.Start(t, harness.Options{Env: map[string]string{
		"APPLIANCE_FORWARDER_TEMPO_URL": "http://" + harness.FreePort(t), "APPLIANCE_FORWARDER_DRAIN_DEADLINE": "0s",
	}})
	dir := collecting.DataDir
	// in the spool, and in a block that was not proven
	waiting, waitingIDs := harness.NewRequest("waiting", 5, 2)
	// in a proven block, and a crash came before it left the spool
	released, releasedIDs := harness.NewRequest("released", 5, 3)
	// in a proven block that was about to be purged
	old, oldIDs := harness.NewRequest("old", 5, 4)
	for _, r := range []*collector.ExportTraceServiceRequest{waiting, released} {
		sendTo(t, collecting.IntakeURL(), r)
	}
	collecting.Kill(t)

	storage := filepath.Join(dir, "tempo", "blocks")
	m := harness.StartTempo(t, storage, harness.ReadingTempo)
	written := func(r *collector.ExportTraceServiceRequest, traces int) []string {
		before := blocksOf(t, storage)
		sendTo(t, "http://"+m.OTLP+"/v1/traces", r)
		var blocks []string
		harness.Eventually(t, time.Minute, "a block of Tempo's", func() error {
			blocks = nil
			objects := 0
			for id, n := range blocksOf(t, storage) {
				if _, had := before[id]; !had {
					blocks = append(blocks, id)
					objects += n
				}
			}
			if objects < traces {
				return fmt.Errorf("%d of %d traces", objects, traces)
			}
			return nil
		})
		return blocks
	}
	aboutToGo, proven, unproven := written(old, 5), written(released, 5), written(waiting, 5)
	m.Kill(t)
	for _, id := range slices.Concat(aboutToGo, proven) {
		mark := filepath.Join(dir, "tempo", "sealed", tenant, id)
		if err := os.MkdirAll(filepath.Dir(mark), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(mark, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range aboutToGo {
		meta := filepath.Join(storage, tenant, id, "meta")
		if err := os.Rename(meta+".json", meta+".compacted.json"); err != nil {
			t.Fatal(err)
		}
	}

	want := merge(withSpans(waitingIDs, 2), withSpans(releasedIDs, 3), withSpans(oldIDs, 4))
	for range 2 {
		a := harness.Start(t, harness.Options{DataDir: dir})
		a.MustFind(t, want)
		for service, ids := range map[string][]string{"waiting": waitingIDs, "released": releasedIDs, "old": oldIDs} {
			a.MustSearch(t, fmt.Sprintf("{ resource.service.name = %q }", service), ids)
		}
		if l := a.Account(t); l.Kept != 5*2+5*3 || l.Damaged != 0 {
			t.Errorf("what was in the spool: %+v", l)
		}
		own := blocksOf(t, harness.BlocksDir(dir))
		for _, id := range slices.Concat(aboutToGo, proven) {
			if _, ok := own[id]; !ok {
				t.Errorf("block %s is not in the store: %v", id, own)
			}
		}
		for _, id := range unproven {
			if _, ok := own[id]; ok {
				t.Errorf("block %s was not proven, and is in the store", id)
			}
		}
		a.Stop(t)
	}
}

// TestBlocksMoveToATempo copies blocks, as they are while the appliance runs,
// into the storage of a stock Tempo: that finds every trace with all its spans.
// Then the way back: what Tempo has is copied to another appliance, as
// docs/tempo.md says.
func TestBlocksMoveToATempo(t *testing.T) {
	a := harness.Start(t, harness.Options{Env: harness.QuickBlocks()})
	all := mustExport(t, a, "moving", 50, 4)
	maps.Copy(all, mustExport(t, a, "moving", 1, 500))
	ids := slices.Collect(maps.Keys(all))
	harness.Eventually(t, time.Minute, "merged blocks", func() error {
		s, err := a.Status(t.Context())
		if err == nil && (s.Store.Merges == 0 || s.Ledger.Pending > 0) {
			err = fmt.Errorf("%+v", s.Store)
		}
		return err
	})
	storage := filepath.Join(t.TempDir(), "blocks")
	copyBlocks(t, harness.BlocksDir(a.DataDir), storage)
	m := harness.StartTempo(t, storage, harness.CompactingTempo)
	since := time.Now().Add(-time.Hour)
	for id, want := range all {
		if tr, err := m.API.Trace(t.Context(), id); err != nil || harness.Spans(tr) != want {
			t.Fatalf("Tempo has %d of %d spans of trace %s: %v", harness.Spans(tr), want, id, err)
		}
	}
	found, err := m.API.SearchBetween(t.Context(), `{ resource.service.name = "moving" && kind = server }`, 100, since, time.Now().Add(time.Minute))
	if err != nil || len(found) != len(all) {
		t.Fatalf("Tempo finds %d of %d traces: %v", len(found), len(all), err)
	}

	// Tempo gets spans of its own, and has them all in its storage.
	request, more := harness.NewRequest("moving", 10, 2)
	sendTo(t, "http://"+m.OTLP+"/v1/traces", request)
	maps.Copy(all, withSpans(more, 2))
	harness.Eventually(t, time.Minute, "a block of Tempo's", func() error {
		objects := 0
		for _, n := range blocksOf(t, storage) {
			objects += n
		}
		if objects < len(all) {
			return fmt.Errorf("%d of %d traces", objects, len(all))
		}
		return nil
	})
	m.Kill(t)
	dir := t.TempDir()
	copyBlocks(t, storage, filepath.Join(dir, "tempo", "blocks"))
	back := harness.Start(t, harness.Options{DataDir: dir})
	back.MustFind(t, all)
	back.MustSearch(t, `{ resource.service.name = "moving" }`, slices.Concat(ids, more))
}

// blocksOf is the blocks in a directory of Tempo's, and how many traces each has.
func blocksOf(t *testing.T, dir string) map[string]int {
	t.Helper()
	metas, err := filepath.Glob(filepath.Join(dir, tenant, "*", "meta.json"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, name := range metas {
		var meta struct{ TotalObjects int }
		text, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(text, &meta)
		}
		if err == nil { // else it is being written, or has gone
			found[filepath.Base(filepath.Dir(name))] = meta.TotalObjects
		}
	}
	return found
}

// copyBlocks copies what `cp -a FROM/single-tenant/*-*-*-*-* TO/single-tenant/`
// does. Blocks are merged meanwhile, so that some may go: then it copies again.
func copyBlocks(t *testing.T, from, to string) {
	t.Helper()
	harness.Eventually(t, time.Minute, "blocks copied", func() error {
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
		before := blocksOf(t, from)
		for id := range before {
			if err := os.CopyFS(filepath.Join(to, tenant, id), os.DirFS(filepath.Join(from, tenant, id))); err != nil {
				return err
			}
		}
		if now := blocksOf(t, from); len(before) == 0 || !maps.Equal(now, before) {
			return fmt.Errorf("%d blocks became %d", len(before), len(now))
		}
		return nil
	})
}

func merge(all ...map[string]int) map[string]int {
	m := map[string]int{}
	for _, one := range all {
		maps.Copy(m, one)
	}
	return m
}
