package block

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"appliance/internal/block/blocktest"
	"appliance/internal/otlpwire"
)

// eachSpan calls visit with each span of records.
func eachSpan(t *testing.T, records [][]byte, visit func(span []byte)) {
	t.Helper()
	for _, record := range records {
		err := each(record, func(rs *otlpwire.Fields) error {
			return each(rs.Bytes, func(ss *otlpwire.Fields) error {
				if ss.Tag != 2<<3|tagBytes {
					return nil
				}
				return each(ss.Bytes, func(s *otlpwire.Fields) error {
					if s.Tag == 2<<3|tagBytes {
						visit(s.Bytes)
					}
					return nil
				})
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// loadRecords are the records of a load of so many spans.
func loadRecords(spans int) (records [][]byte) {
	l := blocktest.NewLoad(1, spans)
	for {
		record, _ := l.Next()
		if record == nil {
			return records
		}
		records = append(records, slices.Clone(record))
	}
}

// wireRecord is a record of one span as it is on the wire.
func wireRecord(span []byte) []byte {
	return appendField(nil, 1, appendField(nil, 2, appendField(nil, 2, span)))
}

func newCompactor(key uint64) *compactor {
	c := newIngest(key).compactor
	return &c
}

// Spans in the compact form are the spans that they were, flags included.
func TestCompactSpans(t *testing.T) {
	for name, records := range map[string][][]byte{
		"load": loadRecords(3000), "random": blocktest.Records(1, blocktest.Random(1, 200)),
	} {
		c := newCompactor(1)
		all, plain := 0, 0
		eachSpan(t, records, func(span []byte) {
			all++
			form, id, ok := c.append([]byte("before"), span)
			if !ok {
				if string(form) != "before" {
					t.Fatalf("%d bytes are left of a span that is not plain", len(form))
				}
				return
			}
			plain++
			wire, err := c.appendWire(nil, &id, form[len("before"):])
			if err != nil {
				t.Fatal(err)
			}
			sameTexts(t, spanTexts(t, nil, wireRecord(wire)), spanTexts(t, nil, wireRecord(span)))
			if again, _, ok := c.append(nil, wire); !ok || binary.LittleEndian.Uint64(again[compactHash:]) != binary.LittleEndian.Uint64(form[len("before")+compactHash:]) {
				t.Fatalf("the hash of a span is another after it was compact, %v", ok)
			}
		})
		if plain*10 < all || plain == all {
			t.Errorf("%s: %d spans of %d are plain", name, plain, all)
		}
	}
}

// A block is the same, byte for byte, whether spans were compact or not.
func TestCompactBlocks(t *testing.T) {
	for name, records := range map[string][][]byte{
		"load": loadRecords(3000), "random": blocktest.Records(2, blocktest.Random(2, 100)),
	} {
		opts := BuilderOptions{PageSpans: 100, RowGroupBytes: 100_000, sortBytes: 100_000, DigestKey: 3, KeepCopies: true}
		dir, _, want := build(t, records, opts)
		b := newTestBuilder(t, opts)
		// No span finds room for its attributes.
		b.ingest.compactor.patterns.all = append(make([]*pattern, 0, maxPatterns), b.ingest.compactor.patterns.all...)[:maxPatterns]
		for _, r := range records {
			if err := b.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		_, got, err := b.Finish(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
		if !bytes.Equal(loadMemory(t, b.dir)[DataName], loadMemory(t, dir)[DataName]) {
			t.Errorf("%s: the data differs", name)
		}
	}
}

// A copy is found although its texts have got numbers since, or get none any more.
func TestCompactCopies(t *testing.T) {
	span := func(i int) blocktest.Span {
		return blocktest.Span{
			TraceID: []byte("0123456789abcdef"), SpanID: []byte{1, 2, 3, 4, 5, 6, byte(i >> 8), byte(i)}, Name: "copied",
			Attrs: []blocktest.Attr{{Key: "unique", Value: fmt.Sprintf("value %d", i)}}, Flags: 1,
		}
	}
	b := newTestBuilder(t, BuilderOptions{DigestKey: 1})
	const n = 2 * manyUnique
	for i := range n + 3 {
		if err := b.Add(oneSpan(span(i % n))); err != nil {
			t.Fatal(err)
		}
	}
	other := span(0)
	other.Flags = 2
	if err := b.Add(oneSpan(other)); err != nil {
		t.Fatal(err)
	}
	if p := b.ingest.compactor.patterns.all[1]; !p.unlike() {
		t.Fatalf("%d of %d texts were new, and are looked up", p.unique, p.looked)
	}
	_, stats, err := b.Finish(t.Context())
	if err != nil || stats.Copies != 3 || stats.Spans != n+1 {
		t.Errorf("%d copies of %d spans, %v", stats.Copies, stats.Spans, err)
	}
}

// A compact span that is cut short is an error.
func TestCompactDamage(t *testing.T) {
	c := newCompactor(1)
	errs := 0
	eachSpan(t, loadRecords(5), func(span []byte) {
		form, id, ok := c.append(nil, span)
		if !ok {
			return
		}
		for n := compactHeader; n < len(form); n++ {
			if _, err := c.appendWire(nil, &id, form[:n]); !errors.Is(err, errCompact) {
				t.Fatalf("%d bytes of %d: %v", n, len(form), err)
			}
			errs++
		}
		form[4] = 0xff
		if _, err := c.appendWire(nil, &id, form); !errors.Is(err, errCompact) {
			t.Errorf("an unknown pattern: %v", err)
		}
	})
	if errs == 0 {
		t.Error("no span is plain")
	}
}
