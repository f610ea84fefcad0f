package parquet

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/parquet-go/parquet-go/encoding/delta"
)

// TestAppendHybrid knows the bytes of the format's own description, and reads
// back runs and packed groups of each width.
func TestAppendHybrid(t *testing.T) {
	for _, tt := range []struct {
		values []uint8
		width  int
		want   []byte
	}{
		{nil, 3, nil},
		{[]uint8{0, 1, 2, 3, 4, 5, 6, 7}, 3, []byte{3, 0x88, 0xc6, 0xfa}}, // of the specification
		{bytes.Repeat([]uint8{5}, 100), 3, []byte{200, 1, 5}},
		{[]uint8{1, 1, 0}, 1, []byte{3, 3}}, // the last group is filled up
		{append([]uint8{0, 1, 0, 1, 0, 1, 0, 1}, bytes.Repeat([]uint8{1}, 9)...), 1, []byte{3, 0xaa, 18, 1}},
	} {
		if got := AppendHybrid(nil, tt.values, tt.width); !bytes.Equal(got, tt.want) {
			t.Errorf("%v in %d bits is %x, want %x", tt.values, tt.width, got, tt.want)
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	for width := range 33 {
		for range 30 {
			var values []uint32
			for range r.IntN(10) {
				v := uint32(r.Uint64() & (1<<width - 1))
				for range r.IntN(20) {
					values = append(values, v)
					if r.IntN(2) == 0 {
						v = uint32(r.Uint64() & (1<<width - 1))
					}
				}
			}
			got, err := readIDs(nil, AppendHybrid(nil, values, width), uint(width), math.MaxInt, len(values))
			if err != nil || !slices.Equal(got, values) {
				t.Fatalf("%v in %d bits come back as %v, %v", values, width, got, err)
			}
		}
	}
}

// TestAppendDelta reads back integers of all sizes with this package's reader
// and parquet-go's.
func TestAppendDelta(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		wide, narrow := make([]int64, n), make([]int64, n)
		shift := r.IntN(64)
		for i := range n {
			wide[i] = int64(r.Uint64()) >> shift
			narrow[i] = int64(int32(r.Uint32()) >> (shift / 2))
			if r.IntN(50) == 0 {
				wide[i], narrow[i] = math.MinInt64, math.MinInt32
			}
		}
		got, rest, err := deltaInts(nil, AppendDelta64(nil, wide), n, false)
		if err != nil || len(rest) > 0 || !slices.Equal(got, wide) {
			t.Fatalf("%d integers of 64 bits: %v", n, err)
		}
		got, rest, err = deltaInts(nil, AppendDelta32(nil, narrow), n, true)
		if err != nil || len(rest) > 0 || !slices.Equal(got, narrow) {
			t.Fatalf("%d integers of 32 bits: %v", n, err)
		}
		oracle, err := new(delta.BinaryPackedEncoding).DecodeInt64(nil, AppendDelta64(nil, wide))
		if err != nil || !slices.Equal(oracle, wide) && n > 0 {
			t.Fatalf("parquet-go reads %d integers of 64 bits otherwise: %v", n, err)
		}
		oracle32, err := new(delta.BinaryPackedEncoding).DecodeInt32(nil, AppendDelta32(nil, narrow))
		if err != nil || len(oracle32) != n {
			t.Fatalf("parquet-go reads %d integers of 32 bits as %d: %v", n, len(oracle32), err)
		}
		for i, v := range oracle32 {
			if int64(v) != narrow[i] {
				t.Fatalf("parquet-go reads %d as %d", narrow[i], v)
			}
		}
	}
}

// TestLiteral reads what pages become with Snappy itself.
func TestLiteral(t *testing.T) {
	for n := range 2 * smallPage {
		src := bytes.Repeat([]byte{7, 9}, n)[:n]
		block := packSnappy(make([]byte, snappy.MaxEncodedLen(n)), src)
		got, err := snappy.Decode(nil, block)
		if err != nil || !bytes.Equal(got, src) || n <= smallPage && len(block) > 2+n {
			t.Errorf("%d bytes become a block of %d, and %d: %v", n, len(block), len(got), err)
		}
	}
}
