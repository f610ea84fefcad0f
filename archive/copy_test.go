package archive

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"appliance/archive/store"
)

func TestArchivesEveryFileByteForByte(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	a := b.archiver(nil)
	if out := b.runOnce(a); out.Archived != 3 || out.Failed+out.Covered != 0 {
		t.Fatalf("%+v", out)
	}
	b.whole(levelZero...)
	got := tree(t, b.dst, func(name string) bool { return !strings.Contains(name, "/") || strings.HasSuffix(name, ManifestName) })
	want := tree(t, b.src, nil)
	if len(got) != len(want) {
		t.Errorf("%d files instead of %d", len(got), len(want))
	}
	unchanged(t, want, got)
	m, err := ReadManifest(t.Context(), b.store, tenant, blockA)
	must(t, err)
	if m.Spans != 300 || m.Traces != 100 || !regexp.MustCompile(`^2:[0-9a-f]{16}$`).MatchString(m.SpanDigest) || m.Encoding != "vParquet4" || m.ArchivedBy != "test" || m.Origin != OriginOf(b.source()) || !strings.HasSuffix(m.Origin, b.src) || !m.ArchivedAt.Equal(theTime) {
		t.Errorf("%+v", m)
	}

	// A second run, of the same and of another process, has nothing to do.
	before := tree(t, b.dst, nil)
	for _, again := range []*Archiver{a, b.archiver(nil)} {
		if out := b.runOnce(again); out.Archived+out.Failed+out.Covered != 0 {
			t.Errorf("again: %+v", out)
		}
	}
	unchanged(t, before, tree(t, b.dst, nil))
}

func TestCompactedStorage(t *testing.T) {
	t.Parallel()
	b := newBench(t, compactedDir(t))
	a := b.archiver(nil)
	if out := b.runOnce(a); out.Archived != 3 || out.Covered != 1 || out.Failed != 0 {
		t.Fatalf("%+v", out)
	}
	b.whole(levelZero...)
	if s := states(b.list(Filter{Source: b.source()})); s[levelOne] != StateCovered || s[blockA] != StateArchived || len(s) != 4 {
		t.Errorf("%v", s)
	}
	if s := a.Status(); s.CoveredBlocks != 1 || s.PendingBlocks != 0 {
		t.Errorf("%+v", s)
	}
	// It stays noted over a restart.
	if out := b.runOnce(b.archiver(nil)); out.Archived+out.Covered+out.Failed != 0 {
		t.Errorf("after a restart: %+v", out)
	}
}

// Where a span of it is nowhere else, a higher-level block is archived.
func TestUncoveredBlockIsArchived(t *testing.T) {
	t.Parallel()
	for _, gone := range levelZero {
		b := newBench(t, compactedDir(t))
		must(t, os.RemoveAll(filepath.Join(b.src, tenant, gone)))
		out := b.runOnce(b.archiver(nil))
		// The spans of the traces that were sent twice have the same ids in both blocks.
		if out.Archived != 3 || out.Covered != 0 {
			t.Errorf("without %s: %+v", gone, out)
		}
		b.whole(levelOne)
	}
}

func TestCoverIsComparedInShares(t *testing.T) {
	t.Parallel()
	b := newBench(t, compactedDir(t))
	b.runOnce(b.archiver(nil))
	inv, err := takeInventory(t.Context(), b.store)
	must(t, err)
	src := b.source()
	one, err := inspect(t.Context(), src, tenant, levelOne)
	must(t, err)
	for n := range uint64(3) {
		ok, err := share{seed: 5, number: n, of: 3}.covered(t.Context(), src, one, b.store, inv.archived)
		if err != nil || !ok {
			t.Errorf("share %d: %t, %v", n, ok, err)
		}
	}
	missed := 0
	for n := range uint64(3) {
		ok, err := share{seed: 5, number: n, of: 3}.covered(t.Context(), src, one, b.store, inv.archived[1:])
		must(t, err)
		if !ok {
			missed++
		}
	}
	if missed != 3 {
		t.Errorf("only %d of 3 shares miss the spans of a block", missed)
	}
}

func TestUnknownEncodingIsArchivedAndShown(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	for _, id := range []string{blockA, blockB} {
		replaceIn(t, filepath.Join(b.src, tenant, id, MetaName), `"vParquet4"`, map[string]string{blockA: `"vParquet9"`, blockB: `"v77"`}[id])
	}
	a := b.archiver(nil)
	if out := b.runOnce(a); out.Archived != 3 {
		t.Fatalf("%+v", out)
	}
	b.whole(levelZero...)
	m, err := ReadManifest(t.Context(), b.store, tenant, blockA)
	must(t, err)
	if m.SpanDigest != "" || m.Encoding != "vParquet9" {
		t.Errorf("%+v", m)
	}
	if s := a.Status(); s.UnknownFormats["vParquet9"] != 1 || s.UnknownFormats["v77"] != 1 {
		t.Errorf("%v", s.UnknownFormats)
	}
}

// What is not whole is not archived, is visible, and does not keep others from being archived.
func TestUnfinishedAndDamagedBlocks(t *testing.T) {
	t.Parallel()
	meta := func(dir string) string { return filepath.Join(dir, MetaName) }
	for name, c := range map[string]struct {
		spoil   func(t *testing.T, dir string)
		pending bool // else it is no block yet
	}{
		"no meta":      {func(t *testing.T, dir string) { must(t, os.Remove(meta(dir))) }, false},
		"empty meta":   {func(t *testing.T, dir string) { must(t, os.Truncate(meta(dir), 0)) }, false},
		"half a meta":  {func(t *testing.T, dir string) { must(t, os.Truncate(meta(dir), 100)) }, false},
		"other's meta": {func(t *testing.T, dir string) { replaceIn(t, meta(dir), blockA, blockB) }, true},
		"short data":   {func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, dataName), 1000)) }, true},
		"no data":      {func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, dataName))) }, true},
		"no bloom":     {func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "bloom-0"))) }, true},
		"no magic":     {func(t *testing.T, dir string) { flip(t, filepath.Join(dir, dataName), 0) }, true},
		"bad footer":   {func(t *testing.T, dir string) { flip(t, filepath.Join(dir, dataName), 49543-6) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, levelZeroDir(t))
			c.spoil(t, filepath.Join(b.src, tenant, blockA))
			a := b.archiver(nil)
			out := b.runOnce(a)
			s := a.Status()
			if out.Archived != 2 || (out.Failed == 1) != c.pending || (s.UnfinishedBlocks == 1) == c.pending || (s.PendingBlocks == 1) != c.pending || (s.Failures[CauseDamaged] == 1) != c.pending {
				t.Errorf("%+v, %+v", out, s)
			}
			b.whole(blockB, blockC)
			want := StateUnfinished
			if c.pending {
				want = StatePending
			}
			if got := states(b.list(Filter{Source: b.source()}))[blockA]; got != want {
				t.Errorf("listed as %s", got)
			}
		})
	}
}

func TestBothMetas(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	dir := filepath.Join(b.src, tenant, blockA)
	text, err := os.ReadFile(filepath.Join(dir, MetaName))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, compactedMetaName), text, 0o644))
	if out := b.runOnce(b.archiver(nil)); out.Archived != 3 {
		t.Fatalf("%+v", out)
	}
	b.whole(levelZero...)
}

// reflush writes another block under an id, as an ingester that dies between two flushes may.
func reflush(t testing.TB, src, id, with string) {
	t.Helper()
	dir := filepath.Join(src, tenant, id)
	must(t, os.RemoveAll(dir))
	must(t, os.CopyFS(dir, os.DirFS(filepath.Join("read/testdata", tenant, with))))
	replaceIn(t, filepath.Join(dir, MetaName), with, id)
}

func TestOtherBytesUnderATakenId(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	b.runOnce(b.archiver(nil))
	before := tree(t, b.dst, nil)
	reflush(t, b.src, blockA, blockB)
	a := b.archiver(nil)
	if out := b.runOnce(a); out.Archived != 1 || out.Failed != 0 {
		t.Fatalf("%+v", out)
	}
	unchanged(t, before, tree(t, b.dst, nil))
	if s := a.Status(); s.Conflicts != 1 {
		t.Errorf("%+v", s)
	}
	var derived []Block
	for _, l := range b.list(Filter{}) {
		if l.DerivedFrom != "" {
			derived = append(derived, l)
		}
	}
	if len(derived) != 1 || derived[0].DerivedFrom != blockA {
		t.Fatalf("%+v", derived)
	}
	b.whole(append(levelZero, derived[0].ID)...)
	// Only the id in its meta.json differs.
	text, err := store.ReadFile(t.Context(), b.store, ObjectName(tenant, derived[0].ID, MetaName), 1000)
	must(t, err)
	original, err := os.ReadFile(filepath.Join(b.src, tenant, blockA, MetaName))
	must(t, err)
	if string(original) != strings.ReplaceAll(string(text), derived[0].ID, blockA) {
		t.Errorf("%s", text)
	}
	// Neither this process nor another archives it again.
	for _, again := range []*Archiver{a, b.archiver(nil)} {
		if out := b.runOnce(again); out.Archived+out.Failed != 0 {
			t.Errorf("again: %+v", out)
		}
	}
	if d, err := Open(b.store).Diff(t.Context(), b.source(), ""); err != nil || d.Same != 3 || len(d.Changed)+len(d.Pending) != 0 || d.OnlyArchived != 1 && d.OnlyArchived != 0 {
		t.Errorf("%+v, %v", d, err)
	}
}

// What an interrupted copy of other bytes left is neither overwritten nor taken for this block's.
func TestOtherBytesOfAnInterruptedCopy(t *testing.T) {
	t.Parallel()
	for _, file := range []string{dataName, "bloom-0", MetaName} {
		b := newBench(t, levelZeroDir(t))
		rest, err := os.ReadFile(filepath.Join(b.src, tenant, blockA, file))
		must(t, err)
		rest[len(rest)/2] ^= 1 // of equal size
		name := ObjectName(tenant, blockA, file)
		_, err = b.store.Put(t.Context(), name, bytes.NewReader(rest), int64(len(rest)))
		must(t, err)
		a := b.archiver(nil)
		if out := b.runOnce(a); out.Archived != 3 || a.Status().Conflicts != 1 {
			t.Errorf("%s: %+v", file, out)
		}
		if text, err := store.ReadFile(t.Context(), b.store, name, 1<<20); err != nil || !bytes.Equal(text, rest) {
			t.Errorf("%s was overwritten: %v", file, err)
		}
		if rep := b.verify(); rep.Damaged() || len(rep.Incomplete) != 1 {
			t.Errorf("%s: %+v", file, rep)
		}
	}
}

// A block that changes while it is copied is copied again.
func TestSourceChangesMeanwhile(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	changed := false
	a := b.archiver(func(o *Options) {
		o.Store = &faultyStore{b.store, func(op, name string) error {
			if op == "did put" && name == ObjectName(tenant, blockA, dataName) && !changed {
				changed = true
				reflush(t, b.src, blockA, blockB)
			}
			return nil
		}}
	})
	if out := b.runOnce(a); out.Archived != 3 || out.Failed != 0 {
		t.Fatalf("%+v", out)
	}
	if rep := b.verify(); rep.Damaged() || rep.Blocks != 3 {
		t.Errorf("%+v", rep)
	}
	d, err := Open(b.store).Diff(t.Context(), b.source(), "")
	must(t, err)
	if d.Same != 3 {
		t.Errorf("%+v", d)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	var last Progress
	_, err := b.archiver(nil).RunOnce(t.Context(), func(p Progress) {
		if p.Bytes < last.Bytes || p.Bytes > p.BytesTotal || p.Blocks < last.Blocks {
			t.Errorf("%+v after %+v", p, last)
		}
		last = p
	})
	must(t, err)
	if last.Blocks != 3 || last.BlocksTotal != 3 || last.Bytes != last.BytesTotal || last.Bytes < 300_000 {
		t.Errorf("%+v", last)
	}
}
