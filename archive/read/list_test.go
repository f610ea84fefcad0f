package read

import (
	"context"
	"os"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"

	"appliance/archive"
	"appliance/archive/store"
)

type tracePB = tempopb.Trace

// counter counts how often files of a name are opened.
type counter struct {
	store.Store
	mu     sync.Mutex
	opened map[string]int
}

func (c *counter) Open(ctx context.Context, name string) (store.Object, error) {
	c.mu.Lock()
	c.opened[path.Base(name)]++
	c.mu.Unlock()
	return c.Store.Open(ctx, name)
}

func TestTheCatalogSparesManifests(t *testing.T) {
	a := newArchive(t)
	for n := range 5 {
		a.write(t, tenant, makeTrace(n, "api", 0))
	}
	held := a.write(t, tenant, makeTrace(10, "api", 0))
	twin := a.write(t, tenant, makeTrace(11, "api", 0))
	if err := os.Remove(a.file(tenant, twin, archive.ManifestName)); err != nil {
		t.Fatal(err)
	}
	a.commit(t, tenant, twin, &archive.Derived{Block: held, MetaSHA256: "0000000000000000000000000000000000000000000000000000000000000000"})
	if rep, err := archive.Open(a.store).Verify(t.Context(), archive.VerifyOptions{}); err != nil || rep.Blocks != 7 {
		t.Fatal(rep, err)
	}
	a.write(t, tenant, makeTrace(5, "api", 0)) // since then
	c := &counter{Store: a.store, opened: map[string]int{}}
	r := New(c)
	q := querierOf(t, r)
	for _, n := range []int{0, 1, 2, 3, 4, 5, 10, 11} {
		if mustFind(t, q, tenant, n) == nil {
			t.Errorf("trace %d is not found", n)
		}
	}
	if c.opened[archive.ManifestName] != 1 || c.opened["@catalog"] != 1 {
		t.Errorf("opened %v, want one manifest and the catalog", c.opened)
	}
	blocks, _, err := r.Blocks(t.Context(), tenant, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if b.Twin != (b.ID.String() == held) {
			t.Errorf("block %s: twin is %v; that with a twin must not be skipped", b.ID, b.Twin)
		}
	}
}

func TestADamagedCatalogCostsOnlyTime(t *testing.T) {
	a := newArchive(t)
	a.write(t, tenant, makeTrace(1, "api", 0))
	for _, text := range []string{"", "appliance archive catalog 1\nnonsense\n"} {
		if err := os.WriteFile(a.path+"/@catalog", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if mustFind(t, querierOf(t, New(a.store)), tenant, 1) == nil {
			t.Errorf("with the catalog %q nothing is found", text)
		}
	}
}

// Tenants are named by clients: one that has no blocks costs a listing, and one
// whose blocks are none yet is remembered.
func TestATenantWithoutBlocksReadsNoCatalog(t *testing.T) {
	a := newArchive(t)
	a.write(t, tenant, makeTrace(1, "api", 0))
	unfinished := a.write(t, "begun", makeTrace(2, "api", 0))
	if err := os.Remove(a.file("begun", unfinished, archive.ManifestName)); err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[string]int{"nobody": 0, "begun": 1} {
		c := &counter{Store: a.store, opened: map[string]int{}}
		r := New(c)
		r.listAge = time.Hour
		q := querierOf(t, r)
		for range 3 {
			if found := mustFind(t, q, asked, 1); found != nil {
				t.Errorf("%s: %v", asked, found)
			}
		}
		if c.opened["@catalog"] != want || len(r.tenants) != want || want == 0 && len(c.opened) != 0 {
			t.Errorf("%s: opened %v and %d tenants are remembered, want the catalog %d times", asked, c.opened, len(r.tenants), want)
		}
	}
}
