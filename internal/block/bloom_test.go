package block

import (
	"bytes"
	"context"
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
		for range traces {
			id, shard := random()
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
		blooms := NewBlooms(src, len(theirs))
		for range 2000 { // most are not there
			id, shard := random()
			want := theirs[shard].Test(id[:])
			f, err := readBloom(context.Background(), src, shard)
			if err != nil || f.has(&id) != want {
				t.Fatalf("trace %x of filter %d, of which Tempo says %t: %v", id, shard, want, err)
			}
			if got, err := blooms.MayHave(context.Background(), id); err != nil || got != want {
				t.Fatalf("trace %x may be there: %t, and Tempo says %t: %v", id, got, want, err)
			}
		}
	}
}
