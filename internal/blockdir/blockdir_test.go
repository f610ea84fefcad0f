package blockdir

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"appliance/internal/durable/crashfs"
)

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func TestNextReturnsEachBlockOnce(t *testing.T) {
	content := files(t)
	fsys := crashfs.New()
	d := ready(t, fsys)
	if got := ids(t, d); len(got) != 0 {
		t.Errorf("returned %v of nothing", got)
	}
	must(t, write(fsys, "a", first, content))
	must(t, write(fsys, "b", first, content))
	if got := ids(t, d); !slices.Equal(got, []string{"a/" + first, "b/" + first}) {
		t.Errorf("returned %v", got)
	}
	must(t, write(fsys, "a", second, content))
	if d.Sealed("a", second) {
		t.Error("a block is sealed that Next has not seen")
	}
	if got := ids(t, d); !slices.Equal(got, []string{"a/" + second}) {
		t.Errorf("returned %v", got)
	}
	if !d.Sealed("a", second) || d.Sealed("b", second) {
		t.Error("Sealed does not tell what Next has returned")
	}
	if got := ids(t, d); len(got) != 0 {
		t.Errorf("returned %v again", got)
	}
}

func TestBlockHasItsSpans(t *testing.T) {
	fsys := crashfs.New()
	d := ready(t, fsys)
	must(t, write(fsys, "a", first, files(t)))
	blocks, err := d.Next(t.Context())
	must(t, err)
	n := 0
	must(t, blocks[0].Spans(func(_, _ []byte, _ int64) bool { n++; return true }))
	if n != 300 || blocks[0].Meta.TotalObjects != 100 {
		t.Errorf("%d spans, %+v", n, blocks[0].Meta)
	}
	must(t, fsys.Remove(path.Join(root, "blocks/a", first, "data.parquet")))
	if err := blocks[0].Spans(func(_, _ []byte, _ int64) bool { return true }); err == nil {
		t.Error("a block without data has spans")
	}
}

// While meta.json is being written there is no block.
func TestHalfWrittenBlock(t *testing.T) {
	content := files(t)
	whole := content["meta.json"]
	fsys := crashfs.New()
	d := ready(t, fsys)
	delete(content, "meta.json")
	must(t, write(fsys, "a", first, content))
	if got := ids(t, d); len(got) != 0 {
		t.Errorf("returned %v without meta.json", got)
	}
	must(t, write(fsys, "a", first, map[string][]byte{"meta.json": whole[:100]}))
	if got := ids(t, d); len(got) != 0 {
		t.Errorf("returned %v with half a meta.json", got)
	}
	must(t, write(fsys, "a", first, map[string][]byte{"meta.json": whole}))
	if got := ids(t, d); len(got) != 1 {
		t.Errorf("returned %v", got)
	}
}

// A block that cannot be made durable is returned once it can; the others are not held back.
func TestNextAfterAnError(t *testing.T) {
	content := files(t)
	for _, kind := range []crashfs.Kind{crashfs.Sync, crashfs.SyncDir, crashfs.Create, crashfs.Rename, crashfs.Mkdir} {
		fsys := crashfs.New()
		d := ready(t, fsys)
		must(t, write(fsys, "a", first, content))
		must(t, write(fsys, "a", second, content))
		failed := false
		fsys.Fail(func(op crashfs.Op) error {
			if op.Kind == kind && !failed {
				failed = true
				return syscall.EIO
			}
			return nil
		})
		blocks, err := d.Next(t.Context())
		if !failed || !errors.Is(err, syscall.EIO) || len(blocks) != 1 {
			t.Errorf("%s fails: returned %v, %v", kind, list(blocks), err)
		}
		want := 2
		if kind == crashfs.Sync || kind == crashfs.SyncDir {
			want = 1 // a second sync would succeed without writing anything
		}
		if got := append(list(blocks), ids(t, d)...); len(got) != want || want == 2 && got[0] == got[1] {
			t.Errorf("%s failed: returned %v", kind, got)
		}
	}
}

// One block whose meta.json cannot be read does not hold back the others.
func TestNextBesideAnUnreadableBlock(t *testing.T) {
	content := files(t)
	fsys := crashfs.New()
	d := ready(t, fsys)
	must(t, write(fsys, "a", second, content))
	content["meta.json"] = []byte(strings.Repeat(" ", maxMeta+1))
	must(t, write(fsys, "a", first, content))
	blocks, err := d.Next(t.Context())
	if err == nil || !slices.Equal(list(blocks), []string{"a/" + second}) {
		t.Errorf("returned %v, %v", list(blocks), err)
	}
}

func TestNextEndsWithItsContext(t *testing.T) {
	fsys := crashfs.New()
	d := ready(t, fsys)
	must(t, write(fsys, "a", first, files(t)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if blocks, err := d.Next(ctx); !errors.Is(err, context.Canceled) || len(blocks) != 0 {
		t.Errorf("returned %v, %v", list(blocks), err)
	}
	if got := ids(t, d); len(got) != 1 {
		t.Errorf("returned %v afterwards", got)
	}
}
