package blockdir

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path"
	"slices"
	"testing"
	"time"

	"appliance/internal/durable"
)

// root is where Tempo's files are.
const root = "/tempo"

// Identifiers of blocks.
const (
	first  = "20569527-67d0-4ea5-88b3-aea7705d7eb5"
	second = "20569527-67d0-4ea5-88b3-aea7705d7eb6"
)

// files are those of a block that Tempo 2.7.2 wrote, in the order in which Tempo writes them.
var names = []string{"data.parquet", "bloom-0", "index", "meta.json"}

func files(t testing.TB) map[string][]byte {
	t.Helper()
	content := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile("../block/testdata/tempo-2.7.2/level0/" + name)
		must(t, err)
		content[name] = data
	}
	return content
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write writes a block as Tempo does, without a sync. It stops at the first error, which is a crash.
func write(fsys durable.FS, tenant, id string, content map[string][]byte) error {
	dir := path.Join(root, "blocks", tenant, id)
	for _, parent := range []string{root, path.Join(root, "blocks"), path.Join(root, "blocks", tenant), dir} {
		_ = fsys.Mkdir(parent, 0o755) // may be there
	}
	order := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return content[name] == nil })
	for name := range content {
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	for _, name := range order {
		f, err := fsys.OpenFile(path.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		if len(content[name]) > 0 {
			if err := f.WritevAt([][]byte{slices.Clone(content[name])}, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

func newDir(fsys durable.FS) *Dir { return New(root, fsys, slog.New(slog.DiscardHandler)) }

// ready is a directory in which an earlier run was.
func ready(t testing.TB, fsys durable.FS) *Dir {
	t.Helper()
	_ = fsys.Mkdir(root, 0o755)
	d := newDir(fsys)
	recovered(t, d)
	return d
}

func recovered(t testing.TB, d *Dir) Recovered {
	t.Helper()
	r, err := d.Recover(time.Time{})
	must(t, err)
	return r
}

// ids lists the blocks that Next returns, as tenant/id.
func ids(t testing.TB, d *Dir) []string {
	t.Helper()
	blocks, err := d.Next(t.Context())
	must(t, err)
	return list(blocks)
}

func list(blocks []Block) []string {
	var ids []string
	for _, b := range blocks {
		ids = append(ids, b.Tenant+"/"+b.ID)
	}
	return ids
}

// same compares a directory with files.
func same(fsys durable.FS, dir string, content map[string][]byte) error {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	found := map[string][]byte{}
	for _, e := range entries {
		data, err := durable.ReadFile(fsys, path.Join(dir, e.Name()), 1<<20)
		if err != nil {
			return err
		}
		found[e.Name()] = data
	}
	if !maps.EqualFunc(found, content, slices.Equal[[]byte]) {
		return fmt.Errorf("%s has other content than what was written", dir)
	}
	return nil
}

func exists(fsys durable.FS, name string) bool {
	entries, _ := fsys.ReadDir(path.Dir(name))
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == path.Base(name) })
}
