package e2e

import (
	"net/http"
	"path/filepath"
	"testing"

	"appliance/e2e/internal/harness"
)

// TestOriginConfiguration runs the embedded Tempo with the configuration of the origin document, whose bare "ingester:" no Tempo starts with.
func TestOriginConfiguration(t *testing.T) {
	file, err := filepath.Abs("testdata/origin-tempo.yml")
	if err != nil {
		t.Fatal(err)
	}
	a := harness.Start(t, harness.Options{Env: map[string]string{"APPLIANCE_TEMPO_CONFIG_FILE": file}})
	request, ids := harness.NewRequest("origin", 5, 2)
	if answer, err := a.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("send: %v, %+v", err, answer)
	}
	a.MustFind(t, withSpans(ids, 2))
	a.MustSearch(t, `{ resource.service.name = "origin" }`, ids)
}

// TestTempoIsNotExposed looks at what the embedded Tempo listens on: nothing that another machine reaches.
func TestTempoIsNotExposed(t *testing.T) {
	a := harness.Start(t, harness.Options{})
	tempo, ok := a.TempoChild(t)
	if !ok {
		t.Fatal("appliance has no Tempo child")
	}
	addrs := harness.ListeningAddresses(t, tempo.Pid)
	if len(addrs) == 0 {
		t.Fatal("found nothing that Tempo listens on")
	}
	for _, addr := range addrs {
		if !addr.Addr().IsLoopback() {
			t.Errorf("tempo listens on %s", addr)
		}
	}
}

// TestRestartKeepsTraces ends an appliance in order and starts another on its directory: what was there is there.
func TestRestartKeepsTraces(t *testing.T) {
	first := harness.Start(t, harness.Options{})
	request, ids := harness.NewRequest("kept", 20, 3)
	if answer, err := first.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("send: %v, %+v", err, answer)
	}
	first.Stop(t)
	second := harness.Start(t, harness.Options{DataDir: first.DataDir})
	second.MustFind(t, withSpans(ids, 3))
}
