package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// TestTutorialTempo runs an appliance in front of a stock Tempo with the
// configuration of the tutorial, but for its bare "ingester:", with which no
// Tempo starts.
func TestTutorialTempo(t *testing.T) {
	m := harness.StartTutorialTempo(t, "testdata/origin-tempo.yml")
	a := harness.Start(t, harness.Options{Env: m.Env()})
	acked := mustExport(t, a, "tutorial", 5, 2)
	a.MustFind(t, acked)
	a.MustSearch(t, `{ resource.service.name = "tutorial" }`, slices.Collect(maps.Keys(acked)))
	for path, has := range map[string]string{
		"/api/echo": "echo", "/api/status/buildinfo": "version",
		"/api/v2/search/tag/resource.service.name/values": "tutorial",
	} {
		if status, body := get(t, "http://"+a.Read+path); status != http.StatusOK || !strings.Contains(body, has) {
			t.Errorf("%s: status %d: %.300s", path, status, body)
		}
	}
	if _, err := os.Stat(harness.BlocksDir(a.DataDir)); !os.IsNotExist(err) {
		t.Errorf("spans go to a Tempo elsewhere, and blocks are made here: %v", err)
	}
}

// TestTempoElsewhereAndItsArchive reads what Tempo has and what only the archive has, as one.
func TestTempoElsewhereAndItsArchive(t *testing.T) {
	m := harness.StartTempo(t, filepath.Join(t.TempDir(), "blocks"), harness.CompactingTempo)
	env := m.Env()
	env["APPLIANCE_ARCHIVE_SOURCE"] = "file://" + m.Blocks
	a := harness.Start(t, harness.Options{Env: env})
	since := time.Now().Add(-10 * time.Minute)
	archived := mustExport(t, a, "both", 10, 3)
	harness.Eventually(t, 2*time.Minute, "everything archived", func() error {
		objects := 0
		for id, n := range blocksOf(t, filepath.Join(a.DataDir, "archive")) {
			if _, err := os.Stat(filepath.Join(a.DataDir, "archive", tenant, id, "manifest.json")); err == nil {
				objects += n
			}
		}
		if objects < len(archived) {
			return fmt.Errorf("%d of %d traces", objects, len(archived))
		}
		return nil
	})
	check := func(want map[string]int) {
		t.Helper()
		a.MustFind(t, want)
		harness.Eventually(t, harness.FoundPatience, "a search over both", func() error {
			found, err := harness.API(a.Read).SearchBetween(t.Context(), `{ resource.service.name = "both" }`, 100, since, time.Now().Add(time.Minute))
			if err == nil && !maps.Equal(found, all(want)) {
				err = fmt.Errorf("%d of %d traces", len(found), len(want))
			}
			return err
		})
	}
	check(archived) // in both, and told once

	m.Kill(t)
	if err := os.RemoveAll(m.Blocks); err != nil {
		t.Fatal(err)
	}
	check(archived) // by the archive alone, while Tempo is away
	m.Start(t)
	check(merge(archived, mustExport(t, a, "both", 10, 3)))
}

func all(traces map[string]int) map[string]bool {
	ids := map[string]bool{}
	for id := range traces {
		ids[id] = true
	}
	return ids
}
