package block

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"appliance/internal/block/blocktest"
	"appliance/internal/block/parquet"
)

// The shape tells the numbers of the elements, and scans have a value for each.
func TestShapeAndScan(t *testing.T) {
	b, _ := built(t, blocktest.Records(9, blocktest.Random(9, 80)), BuilderOptions{PageSpans: 25})
	want, g := expect(t, b), b.RowGroup(0)
	shape, err := g.Shape(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	events, err := g.Inner(t.Context(), OfEvent)
	if err != nil {
		t.Fatal(err)
	}
	links, err := g.Inner(t.Context(), OfLink)
	if err != nil {
		t.Fatal(err)
	}
	last := func(list []uint32) uint32 { return list[len(list)-1] }
	got := [owners]uint32{last(shape.Resources), last(shape.Scopes), last(shape.Spans), last(events), last(links)}
	if got != want.counts {
		t.Fatalf("%d elements, want %d", got, want.counts)
	}
	var all, some parquet.Values
	for _, r := range []Role{ResourceService, ScopeName, SpanID, SpanStart, SpanLeft, SpanName, EventTime, LinkSpanID, TraceStart} {
		all.Reset()
		some.Reset()
		dict, _, err := g.Scan(t.Context(), r, nil, &all)
		if err != nil {
			t.Fatal(err)
		}
		half := last(shape.Spans) / 2
		wantHalf := func(from, _ uint32) bool { return from < half }
		_, runs, err := g.Scan(t.Context(), r, wantHalf, &some)
		if err != nil {
			t.Fatal(err)
		}
		n, at := values(&all), 0
		for _, run := range runs {
			for i := int(run.From); i < int(run.To); i++ {
				if i >= n || !sameValue(&all, i, &some, at) {
					t.Fatalf("role %d: value %d of those that are wanted is not value %d of %d", r, at, i, n)
				}
				at++
			}
		}
		if at != values(&some) || at < n/2 {
			t.Errorf("role %d: runs of %d, and %d values; %d in all", r, at, values(&some), n)
		}
		if len(all.IDs) > 0 && int(all.IDs[0]) >= dict.Len() {
			t.Errorf("role %d: a value is not in the dictionary", r)
		}
		if o, ok := ownerOf(r); ok && n != int(want.counts[o]) {
			t.Errorf("role %d: %d values of %d", r, n, want.counts[o])
		}
	}
}

// Of pages that are read for some spans, the values of other traces are left out.
func TestScanOfSomeTraces(t *testing.T) {
	b, _ := built(t, blocktest.Records(9, blocktest.Random(9, 80)), BuilderOptions{PageSpans: 25})
	g := b.RowGroup(0)
	shape, err := g.Shape(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for every := 1; every < 6; every++ {
		var want []Run
		wanted := map[uint32]bool{}
		for trace := 0; trace+1 < len(shape.Spans); trace++ {
			run := Run{shape.Spans[trace], shape.Spans[trace+1]}
			if trace%every != 0 || run.From == run.To {
				continue
			}
			wanted[run.To-1] = true
			if n := len(want); n > 0 && want[n-1].To == run.From {
				want[n-1].To = run.To
			} else {
				want = append(want, run)
			}
		}
		_, runs, err := g.Scan(t.Context(), SpanStart, func(from, to uint32) bool {
			for span := from; span < to; span++ {
				if wanted[span] {
					return true
				}
			}
			return false
		}, new(parquet.Values))
		if err != nil {
			t.Fatal(err)
		}
		var joined []Run // a run ends with its page
		for _, run := range runs {
			if n := len(joined); n > 0 && joined[n-1].To == run.From {
				joined[n-1].To = run.To
			} else {
				joined = append(joined, run)
			}
		}
		if !slices.Equal(joined, want) {
			t.Errorf("every trace of %d: values of %v, want %v", every, joined, want)
		}
	}
}

func TestScanInts(t *testing.T) {
	b, _ := built(t, blocktest.Records(9, blocktest.Random(9, 400)), BuilderOptions{PageSpans: 25})
	g := b.RowGroup(0)
	for _, r := range []Role{SpanStart, SpanStatusCode, SpanKind, TraceStart} {
		var all parquet.Values
		if _, _, err := g.Scan(t.Context(), r, nil, &all); err != nil {
			t.Fatal(err)
		}
		var got []int64
		err := g.ScanInts(t.Context(), r, func(some []int64) error {
			if len(got)%64 != 0 {
				t.Errorf("role %d: numbers after %d", r, len(got))
			}
			got = append(got, some...)
			return nil
		})
		if err != nil || !slices.Equal(got, all.Ints) || len(got) < 64 {
			t.Errorf("role %d: %d numbers, want %d, error %v", r, len(got), len(all.Ints), err)
		}
		stop := errors.New("enough")
		if err := g.ScanInts(t.Context(), r, func([]int64) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("role %d: error %v of visit is not returned", r, err)
		}
	}
}

// A dictionary that is kept stays as it is when the memory of others is used again.
func TestDropDictionaries(t *testing.T) {
	load := blocktest.NewLoad(3, 70_000)
	var records [][]byte
	for {
		record, _ := load.Next()
		if record == nil {
			break
		}
		records = append(records, bytes.Clone(record))
	}
	b, _ := built(t, records, BuilderOptions{RowGroupBytes: 3 << 20})
	if b.RowGroups() < 3 {
		t.Fatalf("%d row groups, want at least 3", b.RowGroups())
	}
	texts := func(d *parquet.Dictionary) []string {
		out := make([]string, 0, d.Len())
		for s := range d.Texts() {
			out = append(out, strings.Clone(s))
		}
		return out
	}
	read := func(g *RowGroup) *parquet.Dictionary {
		t.Helper()
		d, err := g.Dictionary(t.Context(), OfSpan.Attr(AttrText))
		if err != nil || d == nil || !large(b.chunk(g.index, OfSpan.Attr(AttrText))) {
			t.Fatalf("no large dictionary, error %v", err)
		}
		return d
	}
	first := b.RowGroup(0)
	kept := read(first)
	before := texts(kept)
	first.DropDictionaries(func(d *parquet.Dictionary) bool { return d == kept })
	for i := range b.RowGroups() {
		fresh := texts(read(b.RowGroup(i)))
		for range 2 { // the second time in the memory of the first
			g := b.RowGroup(i)
			d := read(g)
			if got := texts(d); !slices.Equal(got, fresh) {
				t.Errorf("row group %d: %d texts, and %d where memory is used again", i, len(fresh), len(got))
			}
			g.DropDictionaries(func(*parquet.Dictionary) bool { return false })
		}
	}
	if !slices.Equal(texts(kept), before) || read(first) != kept {
		t.Error("a dictionary that was kept has changed")
	}
}

func sameValue(a *parquet.Values, i int, b *parquet.Values, j int) bool {
	switch {
	case len(a.Ints) > 0:
		return a.Ints[i] == b.Ints[j]
	case len(a.IDs) > 0:
		return a.IDs[i] == b.IDs[j]
	default:
		return string(a.Bytes.At(i)) == string(b.Bytes.At(j))
	}
}
