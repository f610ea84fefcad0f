package blocks

import (
	"path/filepath"
	"testing"

	"appliance/e2e/internal/content"
	"appliance/internal/block"
)

// build makes our block of spans.
func (s *storage) build(t testing.TB, in *input, id string, opts block.BuilderOptions) {
	t.Helper()
	opts.Dir, opts.Tenant, opts.BlockID = s.dir, tenant, id
	opts.KeepCopies = true // as Tempo's CreateBlock does
	b, err := block.NewBuilder(opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range in.records {
		if err := b.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// open opens a block with our reader.
func (s *storage) open(t testing.TB, id string) *block.Block {
	t.Helper()
	return openDir(t, filepath.Join(s.dir, tenant, id))
}

func openDir(t testing.TB, dir string) *block.Block {
	t.Helper()
	source := block.OpenDir(dir)
	t.Cleanup(func() { source.Close() })
	b, err := block.Open(t.Context(), source, block.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// read is all that our reader reads of a block.
func read(t testing.TB, b *block.Block) *content.Set {
	t.Helper()
	set := content.NewSet()
	for data, err := range b.Traces(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if err := add(set, data); err != nil {
			t.Fatal(err)
		}
	}
	return set
}
