package otlpwire

import (
	"bytes"
	"errors"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// TestFields compares with protobuf's own reader, on a message with a field of
// each kind and on all of its beginnings.
func TestFields(t *testing.T) {
	body := bytes.Join([][]byte{
		ids(1), varint(6, 300), fixed64(7, 1<<63), fixed32(16, 7), text(5, ""), text(99, "x"),
		message(15, bytes.Repeat([]byte{1}, 200)), group(20, text(1, "in a group")), varint(10, 1<<64-1),
	}, nil)
	for n := range len(body) + 1 {
		f := NewFields(body[:n])
		rest := body[:n]
		for f.Next() {
			number, kind, k := protowire.ConsumeTag(rest)
			size := protowire.ConsumeFieldValue(number, kind, rest[k:])
			if size < 0 || f.Tag != uint32(number)<<3|uint32(kind) {
				t.Fatalf("tag %d at %d of %d bytes, want %d %d", f.Tag, n-len(rest), n, number, kind)
			}
			value := rest[k : k+size]
			var want []byte
			var wantNumber uint64
			switch kind {
			case protowire.VarintType:
				wantNumber, _ = protowire.ConsumeVarint(value)
			case protowire.Fixed64Type:
				wantNumber, _ = protowire.ConsumeFixed64(value)
			case protowire.Fixed32Type:
				v, _ := protowire.ConsumeFixed32(value)
				wantNumber = uint64(v)
			case protowire.BytesType:
				want, _ = protowire.ConsumeBytes(value)
			}
			if !bytes.Equal(f.Bytes, want) || (kind != protowire.BytesType && kind != protowire.StartGroupType && f.Number != wantNumber) {
				t.Fatalf("field %d is %x %d, want %x %d", number, f.Bytes, f.Number, want, wantNumber)
			}
			rest = rest[k+size:]
		}
		if _, _, k := protowire.ConsumeField(rest); (f.Err() == nil) != (len(rest) == 0) || len(rest) > 0 && k > 0 {
			t.Errorf("of %d bytes %d are left, error %v", n, len(rest), f.Err())
		}
		if f.Err() != nil && !errors.Is(f.Err(), ErrMalformed) {
			t.Errorf("error is %v", f.Err())
		}
	}
}
