package block

import (
	"bytes"
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/willf/bloom"
)

// TestBloomsAreTempos holds that filters are those of the library that Tempo
// uses, byte by byte, and that readers see in them what it sees.
func TestBloomsAreTempos(t *testing.T) {
	for _, traces := range []int{0, 1, 1000, 200_000} {
		rng := rand.New(rand.NewPCG(uint64(traces), 5))
		own := newBlooms(traces)
		bits, hashes := bloom.EstimateParameters(uint(max(1, traces)), bloomFalse)
		theirs := make([]*bloom.BloomFilter, max(1, (bits+bloomShardBits-1)/bloomShardBits))
		for i := range theirs {
			theirs[i] = bloom.New(bloomShardBits, hashes)
		}
		if len(own.shards) != len(theirs) {
			t.Fatalf("%d filters for %d traces, and Tempo has %d", len(own.shards), traces, len(theirs))
		}
		random := func() (id [16]byte, shard int) {
			for i := range id {
				id[i] = byte(rng.Uint32())
			}
			h := fnv.New32()
			_, _ = h.Write(id[:]) // never fails
			return id, int(h.Sum32() % uint32(len(theirs)))
		}
		var asked [][16]byte
		for range traces {
			id, shard := random()
			if len(asked) < 500 {
				asked = append(asked, id)
			}
			own.add(&id)
			theirs[shard].Add(id[:])
		}
		dir := t.TempDir()
		for i, data := range own.shards {
			var want bytes.Buffer
			if _, err := theirs[i].WriteTo(&want); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(data, want.Bytes()) {
				t.Fatalf("filter %d of %d traces differs", i, traces)
			}
			if err := os.WriteFile(filepath.Join(dir, BloomName(i)), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		src := OpenDir(dir)
		defer src.Close()
		memory := NewBloomMemory(1 << 30)
		blooms, kept := NewBlooms(src, len(theirs), nil), NewBlooms(src, len(theirs), memory)
		for range 1000 { // most are not there
			id, _ := random()
			asked = append(asked, id)
		}
		for _, id := range asked {
			shard := bloomShardOf(id[:], len(theirs))
			want := theirs[shard].Test(id[:])
			f, err := readBloom(context.Background(), src, shard)
			if err != nil || f.has(&id) != want {
				t.Fatalf("trace %x of filter %d, of which Tempo says %t: %v", id, shard, want, err)
			}
			for _, b := range []*Blooms{blooms, kept} {
				if got, err := b.MayHave(context.Background(), id); err != nil || got != want {
					t.Fatalf("trace %x may be there: %t, and Tempo says %t: %v", id, got, want, err)
				}
			}
		}
		// At most 56 bits a trace, and the 200 bytes that no fold makes fewer.
		most := int64(traces*7*2*foldRoom/8 + 200*len(theirs))
		if taken := 1<<30 - memory.Left(); taken == 0 || taken > most {
			t.Errorf("blooms of %d traces take %d bytes of memory, and %d are enough", traces, taken, most)
		}
		if kept.Release(); memory.Left() != 1<<30 {
			t.Errorf("%d bytes are not given back", 1<<30-memory.Left())
		}
	}
}

// failing fails in reads of many bytes.
type failing struct{ Source }

func (f failing) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	if len(p) > bloomHeader {
		return 0, errors.New("as told")
	}
	return f.Source.ReadAt(ctx, name, p, off)
}

// A bloom is read once as a whole, when it is asked again. Where there is no room for
// it, or it cannot be read, a question reads some bytes of it.
func TestBloomsInMemory(t *testing.T) {
	src := OpenDir("testdata/tempo-2.7.2/level1")
	defer src.Close()
	for name, c := range map[string]struct {
		room  int64
		fails bool
		kept  bool
	}{
		"room":    {room: 1 << 20, kept: true},
		"no room": {room: 1000},
		"fails":   {room: 1 << 20, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			memory, count := NewBloomMemory(c.room), &counting{Source: src}
			var from Source = count
			if c.fails {
				from = failing{count}
			}
			b := NewBlooms(from, 1, memory)
			ask := func() (bytes int64) {
				before := count.bytes.Load()
				may, err := b.MayHave(t.Context(), [16]byte{1, 2, 3})
				if may || err != nil {
					t.Fatalf("a trace that is not there may be there: %t, %v", may, err)
				}
				return count.bytes.Load() - before
			}
			first, second, third := ask(), ask(), ask()
			if first > bloomHeader+maxHashes || (second >= bloomShardBits/8) != c.kept || (third == 0) != c.kept {
				t.Errorf("%d, %d and %d bytes are read", first, second, third)
			}
			if (memory.Left() < c.room) != c.kept {
				t.Errorf("%d of %d bytes are left", memory.Left(), c.room)
			}
			if b.Release(); memory.Left() != c.room {
				t.Errorf("%d of %d bytes are left after all", memory.Left(), c.room)
			}
		})
	}
}
