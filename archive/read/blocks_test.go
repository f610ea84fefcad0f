package read

import (
	"context"
	"os"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/grafana/tempo/tempodb/encoding/vparquet4"

	"appliance/archive"
	"appliance/archive/store"
	"appliance/internal/query"
)

var _ query.Archive = (*Reader)(nil)

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
		a.write(t, tenant, vparquet4.VersionString, makeTrace(n, "api", 0))
	}
	held := a.write(t, tenant, vparquet4.VersionString, makeTrace(10, "api", 0))
	twin := a.write(t, tenant, vparquet4.VersionString, makeTrace(11, "api", 0))
	if err := os.Remove(a.file(tenant, twin, archive.ManifestName)); err != nil {
		t.Fatal(err)
	}
	a.commitAs(t, tenant, twin, &archive.Derived{Block: held, MetaSHA256: "0000000000000000000000000000000000000000000000000000000000000000"})
	if rep, err := archive.Open(a.store).Verify(t.Context(), archive.VerifyOptions{}); err != nil || rep.Blocks != 7 {
		t.Fatal(rep, err)
	}
	a.write(t, tenant, vparquet4.VersionString, makeTrace(5, "api", 0)) // since then
	c := &counter{Store: a.store, opened: map[string]int{}}
	r := New(c, Options{})
	for _, n := range []int{0, 1, 2, 3, 4, 5, 10, 11} {
		if mustFind(t, r, tenant, idOf(n)).Trace == nil {
			t.Errorf("trace %d is not found", n)
		}
	}
	if c.opened[archive.ManifestName] != 1 || c.opened["@catalog"] != 1 {
		t.Errorf("opened %v, want one manifest and the catalog", c.opened)
	}
	blocks, _, err := r.blocks(t.Context(), tenant, window{skip: func(string) bool { return true }})
	if err != nil || len(blocks) != 1 || blocks[0].id.String() != held {
		t.Errorf("%v %v: of the catalog's blocks that with a twin must not be skipped", blocks, err)
	}
}

func TestADamagedCatalogCostsOnlyTime(t *testing.T) {
	a := newArchive(t)
	a.write(t, tenant, vparquet4.VersionString, makeTrace(1, "api", 0))
	for _, text := range []string{"", "appliance archive catalog 1\nnonsense\n"} {
		if err := os.WriteFile(a.path+"/@catalog", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if mustFind(t, New(a.store, Options{}), tenant, idOf(1)).Trace == nil {
			t.Errorf("with the catalog %q nothing is found", text)
		}
	}
}

// Tenants are named by clients: one that has no blocks costs a listing, and one whose blocks are none yet is remembered.
func TestATenantWithoutBlocksReadsNoCatalog(t *testing.T) {
	a := newArchive(t)
	a.write(t, tenant, vparquet4.VersionString, makeTrace(1, "api", 0))
	unfinished := a.write(t, "begun", vparquet4.VersionString, makeTrace(2, "api", 0))
	if err := os.Remove(a.file("begun", unfinished, archive.ManifestName)); err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[string]int{"nobody": 0, "begun": 1} {
		c := &counter{Store: a.store, opened: map[string]int{}}
		r := New(c, Options{Refresh: time.Hour})
		for range 3 {
			if found := mustFind(t, r, asked, idOf(1)); found.Trace != nil {
				t.Errorf("%s: %v", asked, found)
			}
		}
		if c.opened["@catalog"] != want || len(r.tenants) != want || want == 0 && len(c.opened) != 0 {
			t.Errorf("%s: opened %v and %d tenants are remembered, want the catalog %d times", asked, c.opened, len(r.tenants), want)
		}
	}
}
