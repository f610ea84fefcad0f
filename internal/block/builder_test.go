package block

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"testing"

	"appliance/internal/block/blocktest"
)

const testBlockID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"

// build makes a block of records below dir.
func build(t testing.TB, records [][]byte, opts BuilderOptions) (dir string, meta *Meta, stats Stats) {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	opts.Tenant, opts.BlockID = "single-tenant", testBlockID
	b, err := NewBuilder(opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := b.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	meta, stats, err = b.Finish(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Added != stats.Spans+stats.Copies+stats.Overflowed || stats.Spans != int64(stats.Digest.Spans) {
		t.Fatalf("counts do not add up: %+v", stats)
	}
	return filepath.Join(opts.Dir, opts.Tenant, opts.BlockID), meta, stats
}

// difference tells where two rows differ first, or nothing. An empty slice is
// like none.
func difference(want, got reflect.Value) string {
	switch want.Kind() {
	case reflect.Struct:
		for i := range want.NumField() {
			if d := difference(want.Field(i), got.Field(i)); d != "" {
				return "." + want.Type().Field(i).Name + d
			}
		}
		return ""
	case reflect.Slice:
		if want.Len() != got.Len() {
			return fmt.Sprintf(" has %d elements, want %d", got.Len(), want.Len())
		}
		for i := range want.Len() {
			if d := difference(want.Index(i), got.Index(i)); d != "" {
				return fmt.Sprintf("[%d]%s", i, d)
			}
		}
		return ""
	case reflect.Pointer:
		if !want.IsNil() && !got.IsNil() {
			return difference(want.Elem(), got.Elem())
		}
		if want.IsNil() == got.IsNil() {
			return ""
		}
	case reflect.Float64:
		if math.Float64bits(want.Float()) == math.Float64bits(got.Float()) {
			return ""
		}
	default:
		if reflect.DeepEqual(want.Interface(), got.Interface()) {
			return ""
		}
	}
	return fmt.Sprintf(" is %v, want %v", got, want)
}

// compareRows fails unless the rows of a block are those that batches make.
func compareRows(t *testing.T, dir string, want []rowTrace) {
	t.Helper()
	got := readRows(t, filepath.Join(dir, DataName))
	if len(got) != len(want) {
		t.Fatalf("%d traces, want %d", len(got), len(want))
	}
	for i := range got {
		eachAttrs(&got[i], func(attrs []rowAttr) { jsonToProto(t, attrs) })
		if d := difference(reflect.ValueOf(want[i]), reflect.ValueOf(got[i])); d != "" {
			t.Fatalf("trace %x: %s", want[i].TraceID, d)
		}
	}
}

// TestBlockIsWhatWasAdded lets parquet-go read blocks of random traces, with
// memory for all, and with so little that all that is bounded overflows.
func TestBlockIsWhatWasAdded(t *testing.T) {
	for seed := range uint64(6) {
		batches := blocktest.Random(seed, 40)
		records := blocktest.Records(seed, batches)
		want := expected(t, batches, false)
		for name, opts := range map[string]BuilderOptions{
			"in memory":         {},
			"sorted in a file":  {sortBytes: 4 << 10},
			"small pages":       {PageSpans: 7},
			"small row groups":  {PageSpans: 50, RowGroupBytes: 1},
			"all of it, slower": {sortBytes: 10 << 10, PageSpans: 20, RowGroupBytes: 20_000},
		} {
			dir, _, _ := build(t, records, opts)
			if t.Failed() {
				t.Fatalf("seed %d, %s", seed, name)
			}
			compareRows(t, dir, want)
		}
		dir, _, stats := build(t, records, BuilderOptions{KeepCopies: true})
		compareRows(t, dir, expected(t, batches, true))
		if stats.Copies != 0 {
			t.Errorf("%d copies were removed", stats.Copies)
		}
	}
}
