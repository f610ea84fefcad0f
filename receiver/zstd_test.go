package receiver

import (
	"context"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// FuzzUnzstd checks that the size foretold from the headers is never below what
// the frames really hold, so that the decoder stays within the buffer it is
// given, and that no more than the limit comes out.
func FuzzUnzstd(f *testing.F) {
	text := []byte("spans spans spans spans spans and more spans")
	f.Add(zst(f, text))
	f.Add(zst(f, text, zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true)))
	f.Add(append(zstdStream(f, make([]byte, 300_000)), zst(f, text)...))
	f.Add([]byte{0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'}) // skippable
	f.Add(hugeWindow)
	f.Add(hugeClaim)
	const limit = 100_000
	d, err := newDecompressors(limit)
	if err != nil {
		f.Fatal(err)
	}
	plain, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(minZstdWindow))
	if err != nil {
		f.Fatal(err)
	}
	m := newMemory(1<<20, 1<<20, time.Millisecond)
	f.Fuzz(func(t *testing.T, wire []byte) {
		l := loan{memory: m}
		defer l.close()
		got, err := d.unzstd(context.Background(), &l, wire, limit)
		if len(got) > limit {
			t.Fatalf("%d bytes came out, the limit is %d", len(got), limit)
		}
		want, wantErr := plain.DecodeAll(wire, nil)
		if (wantErr == nil && len(wire) > 0 && len(want) <= limit) != (err == nil) {
			t.Fatalf("%v, but the decoder says %d bytes, %v", err, len(want), wantErr)
		}
		if err != nil {
			return
		}
		if string(got) != string(want) {
			t.Fatal("something else comes out")
		}
		if n := zstdContent(wire, limit); n < len(got) {
			t.Fatalf("foretold %d bytes, there are %d", n, len(got))
		}
		if len(got) > 0 && &got[0] != &l.lent[0][:1][0] {
			t.Fatalf("%d bytes did not fit into %d", len(got), cap(l.lent[0]))
		}
	})
}
