package block

import (
	"testing"

	"appliance/internal/block/parquet"
)

// TestLists holds the levels of columns against each other.
func TestLists(t *testing.T) {
	levels := func(rep, def []uint8) *parquet.Values { return &parquet.Values{Rep: rep, Def: def} }
	// Two traces: one of two spans, one whose scope has none.
	spans := levels([]uint8{0, 3, 0}, []uint8{3, 3, 2})
	required, optional, list := &Column{MaxRep: 3, MaxDef: 3}, &Column{MaxRep: 3, MaxDef: 4}, &Column{MaxRep: 4, MaxDef: 4}
	for name, tt := range map[string]struct {
		v      *parquet.Values
		column *Column
		want   bool
	}{
		"the same":                 {levels([]uint8{0, 3, 0}, []uint8{3, 3, 2}), required, true},
		"a null":                   {levels([]uint8{0, 3, 0}, []uint8{3, 2, 2}), required, false},
		"a value more":             {levels([]uint8{0, 3, 3, 0}, []uint8{3, 3, 3, 2}), required, false},
		"one of two values":        {levels([]uint8{0, 3, 0}, []uint8{3, 4, 2}), optional, true},
		"a value without its span": {levels([]uint8{0, 3, 0}, []uint8{3, 4, 4}), optional, false},
		"a null above its span":    {levels([]uint8{0, 3, 0}, []uint8{1, 4, 2}), optional, false},
		"an entry less":            {levels([]uint8{0, 0}, []uint8{4, 2}), optional, false},
		"an entry more":            {levels([]uint8{0, 3, 0, 0}, []uint8{3, 4, 2, 2}), optional, false},
		"another trace":            {levels([]uint8{0, 0, 3}, []uint8{3, 4, 2}), optional, false},
		"two elements":             {levels([]uint8{0, 4, 3, 0}, []uint8{4, 4, 3, 2}), list, true},
		"an element after a null":  {levels([]uint8{0, 4, 3, 0}, []uint8{3, 4, 3, 2}), list, false},
		"a null after an element":  {levels([]uint8{0, 4, 3, 0}, []uint8{4, 3, 3, 2}), list, false},
	} {
		if got := sameList(tt.v, spans, tt.column, 3); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if !beginsRow(spans) || beginsRow(levels([]uint8{1, 0}, []uint8{3, 3})) {
		t.Error("a page that goes on in a row begins one, or the other way round")
	}
	for name, tt := range map[string]struct {
		v    *parquet.Values
		want bool
	}{
		"two events, none":       {levels([]uint8{0, 4, 3, 0}, []uint8{4, 4, 3, 2}), true},
		"none":                   {levels([]uint8{0, 3, 0}, []uint8{3, 3, 2}), true},
		"one without a span":     {levels([]uint8{0, 3, 0}, []uint8{3, 3, 4}), false},
		"a span without entries": {levels([]uint8{0, 0}, []uint8{3, 2}), false},
		"an entry more":          {levels([]uint8{0, 3, 3, 0}, []uint8{3, 3, 3, 2}), false},
		"one after a null":       {levels([]uint8{0, 4, 3, 0}, []uint8{3, 4, 3, 2}), false},
		"it begins in a span":    {levels([]uint8{4, 0, 3, 0}, []uint8{4, 3, 3, 2}), false},
		"a null above the span":  {levels([]uint8{0, 3, 0}, []uint8{2, 3, 2}), false},
	} {
		if got := below(tt.v, spans, 3); got != tt.want {
			t.Errorf("list below, %s: %v", name, got)
		}
	}
}
