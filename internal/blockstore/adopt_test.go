package blockstore

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"appliance/internal/block"
	"appliance/internal/durable"
)

// old makes the directory of an embedded Tempo with a block of each name, all of
// one content.
func old(t *testing.T, root string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		dir := filepath.Join(root, oldBlocks, "shop", id)
		if err := os.CopyFS(dir, os.DirFS(tempoBlock)); err != nil {
			t.Fatal(err)
		}
	}
}

// tempoBlock is one that a real Tempo 2.7.2 wrote.
const tempoBlock = "../../archive/read/testdata/single-tenant/20569527-67d0-4ea5-88b3-aea7705d7eb5"

func mark(t *testing.T, root string, ids ...string) {
	t.Helper()
	dir := filepath.Join(root, oldSealed, "shop")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if err := os.WriteFile(filepath.Join(dir, id), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func adopt(t *testing.T, root, to string) {
	t.Helper()
	if err := Adopt(t.Context(), durable.OS, root, to, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
}

// Of the blocks of the version before, those move that it had proven. The spans
// of the others are in the spool: taking such a block would store them twice.
func TestAdoptTakesProvenBlocks(t *testing.T) {
	root, to := filepath.Join(t.TempDir(), "tempo"), filepath.Join(t.TempDir(), "blocks")
	old(t, root, "proven", "unproven", "marked", "unfinished")
	mark(t, root, "proven", "marked", "unfinished", "gone")
	dir := filepath.Join(root, oldBlocks, "shop")
	if err := errors.Join(
		os.Rename(filepath.Join(dir, "marked", block.MetaName), filepath.Join(dir, "marked", block.CompactedMetaName)),
		os.Remove(filepath.Join(dir, "unfinished", block.MetaName)),
	); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(root, oldLeft, "shop")
	for range 2 { // a second start finds the same
		adopt(t, root, to)
		if got := names(t, filepath.Join(to, "shop")); !slices.Equal(got, []string{"marked", "proven"}) {
			t.Errorf("taken over: %v", got)
		}
		if got := names(t, left); !slices.Equal(got, []string{"unfinished", "unproven"}) {
			t.Errorf("set aside: %v", got)
		}
	}
	// What a person puts there later is not held to the marks of then.
	old(t, root, "later")
	adopt(t, root, to)
	if got := names(t, filepath.Join(to, "shop")); !slices.Equal(got, []string{"later", "marked", "proven"}) {
		t.Errorf("taken over: %v", got)
	}
	if got := names(t, filepath.Join(to, "shop", "marked")); !slices.Contains(got, block.MetaName) || slices.Contains(got, block.CompactedMetaName) {
		t.Errorf("the block that was marked as deleted has %v", got)
	}
}

// Where nothing was ever marked as proven, a Tempo wrote the blocks by itself:
// all that can be read from end to end are taken.
func TestAdoptReadsBlocksWithoutMarks(t *testing.T) {
	root, to := filepath.Join(t.TempDir(), "tempo"), filepath.Join(t.TempDir(), "blocks")
	old(t, root, "whole", "flipped", "short")
	dir := filepath.Join(root, oldBlocks, "shop")
	data := filepath.Join(dir, "flipped", block.DataName)
	text, err := os.ReadFile(data)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/3] ^= 1
	if err := errors.Join(os.WriteFile(data, text, 0o644), os.Truncate(filepath.Join(dir, "short", block.DataName), int64(len(text)-1))); err != nil {
		t.Fatal(err)
	}
	adopt(t, root, to)
	if got := names(t, filepath.Join(to, "shop")); !slices.Equal(got, []string{"whole"}) {
		t.Errorf("taken over: %v", got)
	}
	if got := names(t, filepath.Join(root, oldLeft, "shop")); !slices.Equal(got, []string{"flipped", "short"}) {
		t.Errorf("set aside: %v", got)
	}
}

// What a Tempo has merged is in the block that it made, and not taken as well:
// also not at a start that goes on after that block was. Of what is marked
// without such a block nobody else has the spans.
func TestAdoptLeavesWhatIsMerged(t *testing.T) {
	root, to := filepath.Join(t.TempDir(), "tempo"), filepath.Join(t.TempDir(), "blocks")
	dir := filepath.Join(root, oldBlocks, "shop")
	deleted := func(id string) {
		old(t, root, id)
		if err := os.Rename(filepath.Join(dir, id, block.MetaName), filepath.Join(dir, id, block.CompactedMetaName)); err != nil {
			t.Fatal(err)
		}
	}
	deleted("aged")
	adopt(t, root, to)
	old(t, root, "merged")
	meta := filepath.Join(dir, "merged", block.MetaName)
	text, err := os.ReadFile(meta)
	if err != nil {
		t.Fatal(err)
	}
	levelled := bytes.Replace(text, []byte(`"compactionLevel":0`), []byte(`"compactionLevel":1`), 1)
	if bytes.Equal(levelled, text) {
		t.Fatalf("the level is not in %s", text)
	}
	if err := os.WriteFile(meta, levelled, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"first", "second"} {
		deleted(source)
		adopt(t, root, to)
	}
	// Also where that was marked for its age meanwhile.
	deleted("third")
	old(t, root, "successor")
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "successor", block.CompactedMetaName), bytes.Replace(text, []byte(`"compactionLevel":0`), []byte(`"compactionLevel":2`), 1), 0o644),
		os.Remove(filepath.Join(dir, "successor", block.MetaName)),
		os.RemoveAll(filepath.Join(to, "shop", "merged")),
	); err != nil {
		t.Fatal(err)
	}
	adopt(t, root, to)
	if got := names(t, filepath.Join(to, "shop")); !slices.Equal(got, []string{"aged", "successor"}) {
		t.Errorf("taken over: %v", got)
	}
	if got := names(t, filepath.Join(root, oldLeft, "shop")); !slices.Equal(got, []string{"first", "second", "third"}) {
		t.Errorf("set aside: %v", got)
	}
}

// A block that is copied there again is not taken twice, and ends no start.
func TestAdoptTheSameAgain(t *testing.T) {
	root, to := filepath.Join(t.TempDir(), "tempo"), filepath.Join(t.TempDir(), "blocks")
	for range 3 {
		old(t, root, "same")
		adopt(t, root, to)
	}
	if got := names(t, filepath.Join(to, "shop")); !slices.Equal(got, []string{"same"}) {
		t.Errorf("taken over: %v", got)
	}
	if got := names(t, filepath.Join(root, oldLeft, "shop")); !slices.Equal(got, []string{"same", "same-2"}) {
		t.Errorf("set aside: %v", got)
	}
}

func TestAdoptOfNothing(t *testing.T) {
	to := filepath.Join(t.TempDir(), "blocks")
	adopt(t, filepath.Join(t.TempDir(), "tempo"), to)
	if got := names(t, to); got != nil {
		t.Errorf("made %v", got)
	}
}
