package blocks

import (
	"os"
	"path/filepath"
	"testing"

	"appliance/e2e/internal/content"
	"appliance/internal/block"
)

// TestRead has our reader read blocks of Tempo's.
func TestRead(t *testing.T) {
	for _, in := range []*input{conformance(t, "*/part-2*.pb.gz"), random(200, 200).tame(t)} {
		t.Run(in.name, func(t *testing.T) {
			s := newStorage(t)
			for name, flags := range map[string][]string{
				"default":          nil,
				"small row groups": {"-row-group", "100000"},
				"dedicated":        {"-dedicated", "resource/service.version,resource/deployment.environment,span/db.system,span/user.tier,span/http.route"},
				"vParquet3":        {"-format", "vParquet3"},
			} {
				t.Run(name, func(t *testing.T) {
					id := s.create(t, in, flags...)
					b := s.open(t, id)
					mustEqual(t, s.dump(t, id), read(t, b))
				})
			}
		})
	}
}

// TestReadOlder has our reader read the blocks of a Tempo 2.7.2, also those that
// its compactor wrote.
func TestReadOlder(t *testing.T) {
	dirs, err := filepath.Glob(
		filepath.Join("..", "..", "internal", "block", "testdata", "tempo-2.7.2", "*"),
	)
	if err != nil || len(dirs) == 0 {
		t.Fatalf("there are no blocks of Tempo 2.7.2: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			s := newStorage(t)
			b := openDir(t, dir)
			id := b.Meta().BlockID
			if err := os.CopyFS(filepath.Join(s.dir, tenant, id), os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			mustEqual(t, s.dump(t, id), read(t, b))
			mustEqual(t, s.find(t, id), lookedUp(t, b))
		})
	}
}

// lookedUp is all traces of a block, each read by its id.
func lookedUp(t testing.TB, b *block.Block) *content.Set {
	t.Helper()
	set := content.NewSet()
	for _, id := range read(t, b).Traces() {
		data, err := b.Trace(t.Context(), id, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := add(set, data); err != nil {
			t.Fatal(err)
		}
	}
	return set
}
