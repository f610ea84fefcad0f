package block

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"appliance/internal/block/blocktest"
	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
	"appliance/internal/otlpwire"
)

func newTestBuilder(t *testing.T, opts BuilderOptions) *Builder {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	opts.Tenant, opts.BlockID = "single-tenant", testBlockID
	b, err := NewBuilder(opts)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func oneSpan(s blocktest.Span) []byte {
	return blocktest.Append(nil, blocktest.ResourceSpans{Scopes: []blocktest.ScopeSpans{{Spans: []blocktest.Span{s}}}})
}

// A record that cannot be taken whole is not taken at all, and the block goes on.
func TestAddRefuses(t *testing.T) {
	good := oneSpan(blocktest.Span{TraceID: []byte("0123456789abcdef"), SpanID: []byte("01234567"), Name: "good"})
	b := newTestBuilder(t, BuilderOptions{})
	for name, tt := range map[string]struct {
		record []byte
		want   error
	}{
		"without a trace id":          {append(slices.Clone(good), oneSpan(blocktest.Span{SpanID: []byte("01234567")})...), ErrSpan},
		"a trace id of 17 bytes":      {append(slices.Clone(good), oneSpan(blocktest.Span{TraceID: make([]byte, 17)})...), ErrSpan},
		"cut short":                   {good[:len(good)-1], otlpwire.ErrMalformed},
		"a good one, then a bad one":  {append(slices.Clone(good), 0x0a, 0x05, 0x01), otlpwire.ErrMalformed},
		"a resource that is no field": {[]byte{0x0a, 0x02, 0x0f, 0x00}, otlpwire.ErrMalformed},
	} {
		if err := b.Add(tt.record); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := b.Add(good); err != nil {
		t.Fatal(err)
	}
	_, stats, err := b.Finish(t.Context())
	if err != nil || stats.Added != 1 || stats.Spans != 1 || stats.Traces != 1 {
		t.Errorf("%+v, %v", stats, err)
	}
	if err := b.Add(good); err == nil {
		t.Error("a finished block takes spans")
	}
	if err := b.Abort(); err != nil {
		t.Error(err)
	}
	if _, err := NewBuilder(BuilderOptions{Dir: b.opts.Dir, Tenant: "single-tenant", BlockID: testBlockID}); err == nil {
		t.Error("a block is built over another")
	}
}

// What Add does not look at fails Finish, and the block is not there.
func TestFinishRefuses(t *testing.T) {
	nested := any(int64(1))
	for range 150 {
		nested = []any{nested}
	}
	deep := oneSpan(blocktest.Span{TraceID: []byte{1}, SpanID: []byte{1}, Attrs: []blocktest.Attr{{Key: "deep", Value: nested}}})
	// an attribute that is cut short
	broken := oneSpan(blocktest.Span{TraceID: []byte{1}, Unknown: []byte{0x4a, 0x02, 0x12, 0x05}})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		records [][]byte
		ctx     context.Context
		want    error
		says    string
	}{
		"nothing":        {nil, t.Context(), nil, "no spans"},
		"nested values":  {[][]byte{deep}, t.Context(), otlpwire.ErrTooDeep, "nested"},
		"bad attributes": {[][]byte{broken}, t.Context(), otlpwire.ErrMalformed, "trace 00000000000000000000000000000001"},
		"cancelled":      {[][]byte{oneSpan(blocktest.Span{TraceID: []byte{1}})}, ended, context.Canceled, ""},
	} {
		b := newTestBuilder(t, BuilderOptions{})
		for _, r := range tt.records {
			if err := b.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err := b.Finish(tt.ctx)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, again := b.Finish(t.Context()); again == nil {
			t.Errorf("%s: finished after it failed", name)
		}
		if err := b.Abort(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := durable.OS.ReadDir(b.dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the directory is left: %v", name, err)
		}
	}
}

// TestGiantTrace gives the spans beyond the bound to another block: together
// they have all of them, also those of traces that come before and after.
func TestGiantTrace(t *testing.T) {
	batches := blocktest.Random(3, 30)
	giant := batches[0].Scopes[0].Scope
	for i := range 400 {
		span := blocktest.Span{TraceID: []byte("0123456789abcdef"), SpanID: []byte{1, 2, 3, 4, 5, 6, byte(i >> 8), byte(i)}, Name: "giant", Start: 1, End: 2}
		batches = append(batches, blocktest.ResourceSpans{
			Resource: batches[i%len(batches)].Resource, Scopes: []blocktest.ScopeSpans{{Scope: giant, Spans: []blocktest.Span{span}}},
		})
	}
	records := blocktest.Records(1, batches)
	var rest [][]byte
	opts := BuilderOptions{TraceBytes: 20_000, sortBytes: 50_000, KeepCopies: true, DigestKey: 5}
	total, blocks := Digest{}, 0
	for next := records; len(next) > 0; blocks++ {
		rest = nil
		opts.Overflow = func(record []byte) error {
			rest = append(rest, slices.Clone(record))
			return nil
		}
		opts.Dir = t.TempDir()
		block, stats := built(t, next, opts)
		if _, err := block.Verify(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		if (stats.Overflowed > 0) != (len(rest) > 0) {
			t.Fatalf("%d spans are over, in %d records", stats.Overflowed, len(rest))
		}
		total.Add(stats.Digest)
		next = rest
	}
	_, all := built(t, records, BuilderOptions{KeepCopies: true, DigestKey: 5})
	if total != all.Digest || blocks < 4 {
		t.Errorf("%d blocks together have %+v, want %+v", blocks, total, all.Digest)
	}

	opts.Overflow, opts.Dir = nil, ""
	b := newTestBuilder(t, opts)
	for _, r := range records {
		if err := b.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.Finish(t.Context()); err == nil || !strings.Contains(err.Error(), "more than 20000 bytes") {
		t.Errorf("without Overflow: %v", err)
	}
}

// buildOn builds a block on fsys, and says whether it is finished.
func buildOn(t *testing.T, fsys *crashfs.FS, records [][]byte) error {
	b, err := NewBuilder(BuilderOptions{FS: fsys, Dir: "blocks", Tenant: "single-tenant", BlockID: testBlockID, sortBytes: 20_000, PageSpans: 100, RowGroupBytes: 1})
	if err != nil {
		return err
	}
	for _, r := range records {
		if err := b.Add(r); err != nil {
			return err
		}
	}
	_, _, err = b.Finish(t.Context())
	return err
}

// TestCrash ends the process, or the machine, at each step of writing a block.
// Whenever there is a meta.json afterwards, the block is whole; and when Finish
// has returned, it is there.
func TestCrash(t *testing.T) {
	records := blocktest.Records(1, blocktest.Random(1, 8))
	whole := crashfs.New()
	if err := buildOn(t, whole, records); err != nil {
		t.Fatal(err)
	}
	steps := whole.Steps()
	if steps < 20 {
		t.Fatalf("a block is written in %d steps", steps)
	}
	visible := 0
	for step := 1; step <= steps+1; step++ {
		// Between the last renaming and its sync chance decides most.
		draws := 1
		if step > steps-3 {
			draws = 30
		}
		for draw := range draws {
			rng := rand.New(rand.NewPCG(uint64(step), uint64(draw)))
			for name, end := range map[string]func(f *crashfs.FS) *crashfs.FS{
				"kill":        (*crashfs.FS).Kill,
				"power cut":   func(f *crashfs.FS) *crashfs.FS { return f.PowerCut(crashfs.LoseAll, rng) },
				"torn writes": func(f *crashfs.FS) *crashfs.FS { return f.PowerCut(crashfs.Scramble, rng) },
			} {
				f := crashfs.New()
				f.CrashAt(step)
				finished := buildOn(t, f, records)
				after := end(f)
				text, err := durable.ReadFile(after, filepath.Join("blocks", "single-tenant", testBlockID, MetaName), 1<<20)
				if err == nil {
					visible++
					verifyOn(t, after, text)
				} else if finished == nil {
					t.Fatalf("%s at step %d of %d: the block was finished and is gone: %v", name, step, steps, err)
				}
			}
		}
	}
	if visible == 0 {
		t.Error("no crash came after the block was visible")
	}
}

// A full disk is an error, and nothing of the block is visible.
func TestFullDisk(t *testing.T) {
	records := blocktest.Records(1, blocktest.Random(1, 25))
	f := crashfs.New()
	f.Capacity(150_000)
	err := buildOn(t, f, records)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if _, err := durable.ReadFile(f, filepath.Join("blocks", "single-tenant", testBlockID, MetaName), 1<<20); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("meta.json is there: %v", err)
	}
}

// verifyOn verifies the block that a filesystem holds.
func verifyOn(t *testing.T, fsys *crashfs.FS, metaText []byte) {
	t.Helper()
	meta, err := ParseMeta(metaText)
	if err != nil {
		t.Fatal(err)
	}
	src := OpenFiles(func(name string) (File, error) {
		return fsys.OpenFile(filepath.Join("blocks", "single-tenant", testBlockID, name), os.O_RDONLY, 0)
	})
	defer src.Close()
	b, err := OpenMeta(t.Context(), src, meta, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Verify(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
}
