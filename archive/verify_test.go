package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func archived(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, levelZeroDir(t))
	b.runOnce(b.archiver(nil))
	b.whole(levelZero...)
	return b
}

// A flipped bit at the beginning, the middle or the end of any file is found,
// named, and stays listed until the block is right again.
func TestVerifyFindsAFlippedBit(t *testing.T) {
	t.Parallel()
	b := archived(t)
	for _, file := range []string{dataName, "bloom-0", "index", MetaName, ManifestName} {
		path := filepath.Join(b.dst, tenant, blockB, file)
		info, err := os.Stat(path)
		must(t, err)
		for _, at := range []int64{0, info.Size() / 2, info.Size() - 1} {
			flip(t, path, at)
			rep := b.verify()
			if !rep.Damaged() || len(rep.Damage) != 1 || rep.Damage[0].Block != blockB || rep.Damage[0].File != file || rep.Blocks != 3 {
				t.Errorf("%s, byte %d: %+v", file, at, rep)
			}
			for _, l := range b.list(Filter{}) {
				if (l.ID == blockB) != (l.State == StateDamaged) || (l.ID == blockB) != l.VerifiedAt.IsZero() {
					t.Errorf("%s, byte %d: %+v", file, at, l)
				}
			}
			flip(t, path, at)
			if rep := b.verify(); rep.Damaged() || states(b.list(Filter{}))[blockB] != StateArchived {
				t.Errorf("%s, byte %d, back: %+v", file, at, rep)
			}
		}
	}
}

// Every bit of a manifest counts.
func TestEveryBitOfAManifest(t *testing.T) {
	t.Parallel()
	b := archived(t)
	text, err := os.ReadFile(filepath.Join(b.dst, tenant, blockA, ManifestName))
	must(t, err)
	if _, err := DecodeManifest(text, tenant, blockA); err != nil {
		t.Fatal(err)
	}
	for i := range text {
		for bit := range 8 {
			text[i] ^= 1 << bit
			if m, err := DecodeManifest(text, tenant, blockA); err == nil {
				t.Fatalf("bit %d of byte %d is of no account: %+v", bit, i, m)
			}
			text[i] ^= 1 << bit
		}
	}
	for n := range text {
		if _, err := DecodeManifest(text[:n], tenant, blockA); err == nil {
			t.Fatalf("%d of %d bytes were taken", n, len(text))
		}
	}
	if _, err := DecodeManifest(text, tenant, blockB); err == nil {
		t.Error("the manifest of another block was taken")
	}
}

func TestVerifyFindsMissingFilesAndSizes(t *testing.T) {
	t.Parallel()
	for _, file := range []string{dataName, "bloom-0", "index", MetaName, ManifestName} {
		for what, spoil := range map[string]func(path string) error{
			"missing": os.Remove,
			"cut":     func(path string) error { return os.Truncate(path, 10) },
		} {
			b := archived(t)
			must(t, spoil(filepath.Join(b.dst, tenant, blockC, file)))
			// Sizes and names are looked at without reading data as well.
			rep, err := Open(b.store).Verify(t.Context(), VerifyOptions{})
			must(t, err)
			if len(rep.Damage) != 1 || rep.Damage[0].File != file || rep.Bytes != 0 {
				t.Errorf("%s %s: %+v", file, what, rep)
			}
		}
	}
}

func TestVerifyFindsAMissingBlock(t *testing.T) {
	t.Parallel()
	b := archived(t)
	must(t, os.RemoveAll(filepath.Join(b.dst, tenant, blockA)))
	if rep := b.verify(); len(rep.Missing) != 1 || rep.Missing[0] != tenant+"/"+blockA || !rep.Damaged() {
		t.Errorf("%+v", rep)
	}
	if got := states(b.list(Filter{}))[blockA]; got != StateMissing {
		t.Errorf("listed as %s", got)
	}
	// The source still has it.
	if out := b.runOnce(b.archiver(nil)); out.Archived != 1 {
		t.Errorf("%+v", out)
	}
	b.whole(levelZero...)
}

func TestVerifyInParts(t *testing.T) {
	t.Parallel()
	b := archived(t)
	seen := 0
	for part := 1; part <= 3; part++ {
		rep, err := Open(b.store).Verify(t.Context(), VerifyOptions{ReadData: true, Part: part, Parts: 3})
		must(t, err)
		seen += rep.Blocks
	}
	if seen != 3 {
		t.Errorf("%d blocks in all parts", seen)
	}
	for _, o := range []VerifyOptions{{Part: 0, Parts: 3}, {Part: 4, Parts: 3}, {Parts: -1}} {
		if _, err := Open(b.store).Verify(t.Context(), o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	rep, err := Open(b.store).Verify(t.Context(), VerifyOptions{ReadData: true, Blocks: []string{blockA[:4]}})
	if err != nil || rep.Blocks != 1 || rep.Bytes < 100_000 {
		t.Errorf("%+v, %v", rep, err)
	}
}

func TestDamagedCatalog(t *testing.T) {
	t.Parallel()
	b := archived(t)
	path := filepath.Join(b.dst, catalogName)
	info, err := os.Stat(path)
	must(t, err)
	for _, at := range []int64{0, info.Size() / 2, info.Size() - 1} {
		flip(t, path, at)
		if blocks := b.list(Filter{State: StateArchived}); len(blocks) != 3 {
			t.Errorf("byte %d: %+v", at, blocks)
		}
		if _, err := Open(b.store).PlanPrune(t.Context(), Keep{Age: 1}, nil); err == nil {
			t.Errorf("byte %d: prunes by a damaged catalog", at)
		}
		if rep := b.verify(); rep.CatalogError == "" || !rep.Damaged() {
			t.Errorf("byte %d: %+v", at, rep)
		}
		if rep := b.verify(); rep.Damaged() {
			t.Errorf("byte %d: not rebuilt: %+v", at, rep)
		}
	}
	must(t, os.Remove(path))
	if blocks := b.list(Filter{State: StateArchived}); len(blocks) != 3 {
		t.Errorf("%+v", blocks)
	}
}

func FuzzDecodeManifest(f *testing.F) {
	m := &Manifest{Tenant: tenant, Block: blockA, Encoding: "vParquet4", Files: []File{{MetaName, 3, fmt.Sprintf("%064x", 1)}}}
	text, err := EncodeManifest(m)
	must(f, err)
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := DecodeManifest(text, tenant, blockA)
		if err != nil {
			return
		}
		again, err := EncodeManifest(m)
		if err != nil || string(again) != string(text) {
			t.Errorf("%q is not canonical: %v", text, err)
		}
	})
}

func FuzzDecodeCatalog(f *testing.F) {
	f.Add(encodeCatalog([]entry{{ref: ref{"a", blockA}, encoding: "vParquet4"}, {ref: ref{"b", blockB}, start: 5, digest: "x", derivedFrom: blockC}}))
	f.Add(encodeCatalog(nil))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := decodeCatalog(text)
		if err != nil {
			return
		}
		again, err := decodeCatalog(encodeCatalog(entries))
		if err != nil || len(again) != len(entries) {
			t.Errorf("%d entries, then %d, %v", len(entries), len(again), err)
		}
	})
}

// What is pruned while a verification is under way, once or by a later prune
// too, is neither damaged nor missing.
func TestVerifyBesideAPrune(t *testing.T) {
	t.Parallel()
	for name, prunes := range map[string]int{"one": 1, "another": 2} {
		t.Run(name, func(t *testing.T) {
			b := archived(t)
			before := planPrune(t, b, nil)
			rep, err := Open(b.store).Verify(t.Context(), VerifyOptions{ReadData: true, Progress: func(p Progress) {
				if p.Blocks != 1 {
					return
				}
				for range prunes {
					_, err := before.Run(t.Context(), nil)
					must(t, err)
					before = planPrune(t, b, nil)
				}
			}})
			must(t, err)
			if rep.Damaged() {
				t.Errorf("%+v", rep)
			}
			if rep := b.verify(); rep.Damaged() || rep.Blocks != 0 {
				t.Errorf("afterwards: %+v", rep)
			}
			m, err := readMarks(t.Context(), b.store)
			must(t, err)
			if len(m[markDamaged]) != 0 {
				t.Errorf("marked as damaged: %v", m[markDamaged])
			}
		})
	}
}

// A prune may come between a block's manifest and its data.
func TestVerifyOfABlockThatIsBeingPruned(t *testing.T) {
	t.Parallel()
	b := archived(t)
	plan := planPrune(t, b, nil)
	inner, once := b.store, sync.OnceFunc(func() {
		_, err := plan.Run(t.Context(), nil)
		must(t, err)
	})
	b.store = &faultyStore{inner, func(op, name string) error {
		if op == "open" && strings.HasSuffix(name, "/"+dataName) {
			once()
		}
		return nil
	}}
	if rep := b.verify(); rep.Damaged() {
		t.Errorf("%+v", rep)
	}
}

// A manifest that somebody took away is damage, whatever was pruned before.
func TestVerifyTellsAMissingManifestFromAPrune(t *testing.T) {
	t.Parallel()
	b := archived(t)
	rep, err := Open(b.store).Verify(t.Context(), VerifyOptions{ReadData: true, Progress: func(p Progress) {
		if p.Blocks == 1 {
			must(t, os.Remove(filepath.Join(b.dst, tenant, blockB, ManifestName)))
			must(t, os.RemoveAll(filepath.Join(b.dst, tenant, blockC)))
		}
	}})
	must(t, err)
	if len(rep.Damage) != 2 || rep.Damage[0].Block != blockB || rep.Damage[1].Block != blockC {
		t.Errorf("%+v", rep)
	}
}

func TestInterruptedVerifyIsWrittenDown(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	b.runOnce(b.archiver(nil))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Open(b.store).Verify(ctx, VerifyOptions{ReadData: true, Progress: func(p Progress) {
		if p.Blocks == 2 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	verified := 0
	for _, l := range b.list(Filter{}) {
		if !l.VerifiedAt.IsZero() {
			verified++
		}
	}
	if verified != 2 {
		t.Errorf("%d blocks are verified", verified)
	}
}

// A verification writes only what it found itself over what others did meanwhile.
func TestVerifyKeepsWhatOthersDid(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	b.runOnce(b.archiver(nil))
	// so that the first has something to write
	must(t, os.Remove(filepath.Join(b.dst, catalogName)))
	rep, err := Open(b.store).Verify(t.Context(), VerifyOptions{Progress: func(p Progress) {
		if p.Blocks == 3 {
			b.verify()
		}
	}})
	if err != nil || rep.Damaged() {
		t.Fatalf("%+v, %v", rep, err)
	}
	for _, l := range b.list(Filter{}) {
		if l.VerifiedAt.IsZero() {
			t.Errorf("%s is not verified any more", l.ID)
		}
	}
}
