package serve

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"appliance/archive"
	"appliance/archive/store"
	"appliance/nomad"
)

// rebuiltNomad answers for one variable whose index is that of a young cluster.
// Renewing the lock fails while taken.
func rebuiltNomad(t *testing.T, index uint64, holder string, taken *atomic.Bool) *api.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("lock-renew") && taken.Load() {
			http.Error(w, "lock conflict", http.StatusConflict)
			return
		}
		_ = json.NewEncoder(w).Encode(api.Variable{ // a client that is gone is no matter
			Path: "archiver", ModifyIndex: index, Items: api.VariableItems{"holder": holder}, Lock: &api.VariableLock{ID: "1"},
		})
	}))
	t.Cleanup(server.Close)
	client, err := nomad.Access{Address: server.URL}.Connect()
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// termsName is where the archive's store has the terms.
const termsName = "@archiver-terms.json"

// fencedRun runs the archiver's work under a lock of a cluster at index 12,
// over a store that knows of later terms, and says whether the work began, and
// which terms the store has then.
func fencedRun(t *testing.T, before string, taken bool) (began bool, terms []archive.Term) {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Replace(t.Context(), termsName, []byte(before)); err != nil {
		t.Fatal(err)
	}
	var conflict atomic.Bool
	conflict.Store(taken)
	const ttl = 900 * time.Millisecond
	a := &appliance{logger: slog.New(slog.DiscardHandler)}
	a.archive.store, a.nomad.holder = s, "new"
	leaser := nomad.NewLeaser(nomad.LeaserOptions{
		Client: rebuiltNomad(t, 12, "new", &conflict), Path: "archiver", Holder: "new", TTL: ttl, Logger: a.logger,
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if taken { // it is lost with the first renewal
		go func() {
			for leaser.Terms() < 3 && ctx.Err() == nil {
				<-time.After(time.Millisecond)
			}
			cancel()
		}()
	}
	if err := leaser.Run(ctx, a.fenced(func(context.Context) error { began = true; return nil })); err != nil {
		t.Error(err)
	}
	if leaser.Terms() == 0 {
		t.Fatal("the lock was never ours")
	}
	text, err := store.ReadFile(t.Context(), s, termsName, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal(text, &terms) // what cannot be read is no term
	return began, terms
}

// A cluster that was rebuilt counts from 1 again. Nomad's word for the lock
// opens the fence, and only that does.
func TestFenceOpensInARebuiltCluster(t *testing.T) {
	t.Parallel()
	const later = `[{"fence": 5000, "holder": "old", "began": "2026-11-22T15:00:00Z"}]`
	for name, before := range map[string]string{
		"later": later, "equal": strings.Replace(later, "5000", "12", 1), "damaged": later[:20], "of something else": `{"status": "ok"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began, terms := fencedRun(t, before, false)
			n := len(terms)
			if !began || n == 0 || terms[n-1].Fence != 12 || terms[n-1].Holder != "new" || name == "later" && (n != 2 || terms[1].After != 5000) {
				t.Errorf("the work began: %t; terms: %+v", began, terms)
			}
			if began, terms = fencedRun(t, before, true); began || len(terms) > 1 || len(terms) == 1 && terms[0].Holder != "old" {
				t.Errorf("where Nomad says that the lock is another's, the work began: %t; terms: %+v", began, terms)
			}
		})
	}
}
