package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"appliance/archive/store"
	"appliance/internal/durable"
)

// The blocks of testdata; see the READMEs there.
const (
	tenant   = "single-tenant"
	blockA   = "20569527-67d0-4ea5-88b3-aea7705d7eb5"
	blockB   = "bcac3ab1-47e8-44ec-867f-17d93e98e5b7"
	blockC   = "f7c8160e-4b9c-4daa-be46-91b03e195159"
	levelOne = "3a23fa3f-959d-41f0-a717-8e9960e4f204"
)

var levelZero = []string{blockA, blockB, blockC}

// theTime is some days after the last span of the blocks.
var theTime = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// levelZeroDir is the storage of a Tempo 2.7.2 with three blocks.
func levelZeroDir(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "blocks")
	must(t, os.MkdirAll(dir, 0o755))
	must(t, os.CopyFS(filepath.Join(dir, tenant), os.DirFS("read/testdata/"+tenant)))
	return dir
}

// embeddedDir is the block store of an appliance with these blocks: a lineage
// lies beside the files of each.
func embeddedDir(t testing.TB) string {
	t.Helper()
	dir := levelZeroDir(t)
	for _, id := range levelZero {
		must(t, os.WriteFile(filepath.Join(dir, tenant, id, lineageName), []byte(`{"version":1,"spans":300}`), 0o644))
	}
	return dir
}

// deleter deletes blocks as the block store does: it moves them to where they
// count as none, and then their files go. What that leaves when it fails stays
// there.
func deleter(fsys durable.FS, dir string) func(tenant, block string) bool {
	return func(tenant, block string) bool {
		staging := filepath.Join(dir, ".staging")
		trash := filepath.Join(staging, "deleted-"+block)
		if durable.MkdirAll(fsys, staging, 0o755) != nil || durable.Rename(fsys, filepath.Join(dir, tenant, block), trash) != nil {
			return false
		}
		entries, err := fsys.ReadDir(trash)
		for _, e := range entries {
			err = errors.Join(err, fsys.Remove(filepath.Join(trash, e.Name())))
		}
		_ = errors.Join(err, fsys.Remove(trash))
		return true
	}
}

// compactedDir is that storage after Tempo's compactor: the three are marked,
// and one of level 1 holds their spans.
func compactedDir(t testing.TB) string {
	t.Helper()
	dir := levelZeroDir(t)
	for _, b := range levelZero {
		must(t, os.Rename(filepath.Join(dir, tenant, b, MetaName), filepath.Join(dir, tenant, b, compactedMetaName)))
	}
	must(t, os.CopyFS(filepath.Join(dir, tenant), os.DirFS("testdata/compacted/"+tenant)))
	return dir
}

// bench is a source, a store and what is needed to work on them.
type bench struct {
	t        testing.TB
	src, dst string
	store    store.Store
}

func newBench(t testing.TB, src string) *bench {
	t.Helper()
	b := &bench{t: t, src: src, dst: filepath.Join(t.TempDir(), "archive")}
	s, err := store.Open(t.Context(), "file://"+b.dst, store.Options{Create: true})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	b.store = s
	return b
}

func (b *bench) source() Source {
	b.t.Helper()
	s, err := OpenSource(b.t.Context(), "file://"+b.src, nil)
	must(b.t, err)
	b.t.Cleanup(func() { must(b.t, s.Close()) })
	return s
}

// archiver is one of a Tempo elsewhere, unless change says otherwise.
func (b *bench) archiver(change func(*Options)) *Archiver {
	b.t.Helper()
	o := Options{Store: b.store, Source: b.source(), by: "test", wall: func() time.Time { return theTime }}
	if change != nil {
		change(&o)
	}
	a, err := New(o)
	must(b.t, err)
	return a
}

func (b *bench) runOnce(a *Archiver) Outcome {
	b.t.Helper()
	out, err := a.RunOnce(b.t.Context(), nil)
	must(b.t, err)
	return out
}

// whole fails unless the archive holds these blocks of the source, with every byte right.
func (b *bench) whole(blocks ...string) {
	b.t.Helper()
	rep := b.verify()
	if rep.Damaged() {
		b.t.Errorf("verification: %+v", rep)
	}
	for _, id := range blocks {
		m, err := ReadManifest(b.t.Context(), b.store, tenant, id)
		if err != nil {
			b.t.Errorf("block %s: %v", id, err)
			continue
		}
		if len(m.Files) != 4 || m.Tenant != tenant || m.Block != id {
			b.t.Errorf("manifest of %s: %+v", id, m)
		}
	}
}

// holds says whether an archived copy has every byte of a block of the source,
// whatever the archiver knows of it.
func (b *bench) holds(tenant, block string) bool {
	b.t.Helper()
	isLineage := func(name string) bool { return name == lineageName }
	want := tree(b.t, filepath.Join(b.src, tenant, block), isLineage)
	for id, err := range blockIDs(b.t.Context(), b.store, tenant) {
		must(b.t, err)
		m, err := ReadManifest(b.t.Context(), b.store, tenant, id)
		if err != nil || m.SourceBlock() != block || m.SourceMeta() != want[MetaName] {
			continue
		}
		have := tree(b.t, filepath.Join(b.dst, tenant, id), func(name string) bool { return name == ManifestName })
		if m.Derived != nil { // its meta.json differs by the id
			have[MetaName] = m.SourceMeta()
		}
		if maps.Equal(have, want) {
			return true
		}
	}
	return false
}

func (b *bench) verify() *VerifyReport {
	b.t.Helper()
	rep, err := Open(b.store).Verify(b.t.Context(), VerifyOptions{ReadData: true})
	must(b.t, err)
	return rep
}

func (b *bench) list(f Filter) []Block {
	b.t.Helper()
	blocks, err := Open(b.store).List(b.t.Context(), f)
	must(b.t, err)
	return blocks
}

// states maps the blocks of the list to their states.
func states(blocks []Block) map[string]State {
	m := map[string]State{}
	for _, b := range blocks {
		m[b.ID] = b.State
	}
	return m
}

// tree digests each file below a directory, apart from those for which skip is true.
func tree(t testing.TB, dir string, skip func(name string) bool) map[string]string {
	t.Helper()
	files := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || skip != nil && skip(name) {
			return err
		}
		text, err := os.ReadFile(path)
		files[name] = fmt.Sprintf("%x", sha256.Sum256(text))
		return err
	}))
	return files
}

// unchanged fails when a block's file that was in before is not in now, or has other bytes.
func unchanged(t testing.TB, before, now map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if strings.Contains(name, "/") && now[name] != before[name] {
			t.Errorf("%s was overwritten or is gone", name)
		}
	}
}

// replaceIn changes text in a file.
func replaceIn(t testing.TB, path, old, repl string) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%s has no %q", path, old)
	}
	must(t, os.WriteFile(path, bytes.ReplaceAll(text, []byte(old), []byte(repl)), 0o644))
}

// flip changes one bit of a file.
func flip(t testing.TB, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	must(t, err)
	b[0] ^= 0x10
	_, err = f.WriteAt(b[:], at)
	must(t, err)
	must(t, f.Close())
}

// faultyStore asks before each change of the store.
type faultyStore struct {
	store.Store
	fault func(op, name string) error
}

func (s *faultyStore) Replace(ctx context.Context, name string, data []byte) error {
	if err := s.fault("replace", name); err != nil {
		return err
	}
	return s.Store.Replace(ctx, name, data)
}

func (s *faultyStore) Delete(ctx context.Context, name string) error {
	if err := s.fault("delete", name); err != nil {
		return err
	}
	return s.Store.Delete(ctx, name)
}

func (s *faultyStore) Open(ctx context.Context, name string) (store.Object, error) {
	if err := s.fault("open", name); err != nil {
		return nil, err
	}
	return s.Store.Open(ctx, name)
}
func (s *faultyStore) Put(ctx context.Context, name string, r io.Reader, size int64) (store.Sum, error) {
	if err := s.fault("put", name); err != nil {
		return store.Sum{}, err
	}
	sum, err := s.Store.Put(ctx, name, r, size)
	if err == nil {
		err = s.fault("did put", name)
	}
	return sum, err
}
