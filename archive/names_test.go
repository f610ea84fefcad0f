package archive

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What Tempo accepts as a tenant is one for us, character by character; none of our own names is.
func TestTenantsAreThoseOfTempo(t *testing.T) {
	// tenant.ValidTenantID
	const dskit = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!-_.*'()"
	for c := range 256 {
		char := string([]byte{byte(c)})
		ok := strings.Contains(dskit, char)
		if (CheckTenant("a"+char) == nil) != ok || (CheckTenant(char) == nil) != (ok && char != ".") {
			t.Errorf("character %q: %v, %v", char, CheckTenant("a"+char), CheckTenant(char))
		}
	}
	for _, own := range []string{catalogName, memoryName("x"), restoreMarker, markPin.name(ref{tenant, blockA})} {
		if CheckTenant(own) == nil {
			t.Errorf("a tenant can be called %s", own)
		}
	}
}

// Tenants that are called as our own objects once were, or begin with a dot,
// are archived, pruned and restored as any other.
func TestTenantsOfOddNames(t *testing.T) {
	t.Parallel()
	src := levelZeroDir(t)
	names := []string{
		".team", "...", "!", "(it's*)", "catalog", ".catalog", ".staging-x", "archiver-0123456789abcdef.json", "restored-by-appliance",
		"pin." + blockA + ".x", "prune." + blockA + "." + tenant,
	}
	for _, name := range names {
		dir := filepath.Join(src, name, blockA)
		must(t, os.MkdirAll(filepath.Dir(dir), 0o755))
		must(t, os.CopyFS(dir, os.DirFS(filepath.Join(src, tenant, blockA))))
		replaceIn(t, filepath.Join(dir, MetaName), `"`+tenant+`"`, `"`+name+`"`)
	}
	b := newBench(t, src)
	if out := b.runOnce(b.archiver(nil)); out.Archived != 3+len(names) || out.Failed != 0 {
		t.Fatalf("%+v", out)
	}
	b.whole(levelZero...)
	dir := filepath.Join(t.TempDir(), "restored")
	for i, name := range names {
		plan, err := Open(b.store).PlanRestore(t.Context(), []string{name + "/" + blockA}, dir)
		must(t, err)
		if rep, err := plan.Run(t.Context(), nil); err != nil || rep.Blocks != 1 {
			t.Errorf("%q: %+v, %v", name, rep, err)
		}
		if i%2 == 0 {
			_, err := Open(b.store).Pin(t.Context(), name+"/"+blockA)
			must(t, err)
		}
	}
	if n, err := planPrune(t, b, nil).Run(t.Context(), nil); n != 3+len(names)/2 || err != nil {
		t.Errorf("pruned %d, %v", n, err)
	}
	if rep := b.verify(); rep.Damaged() || rep.Blocks != (len(names)+1)/2 {
		t.Errorf("%+v", rep)
	}
}
