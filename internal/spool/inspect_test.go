package spool

import (
	"encoding/json"
	"testing"
)

// TestInspectSaysOnlyWhatTheFilesSay looks at a spool beside the process that
// writes it: what that process has done and whether it has done with the last
// segment is not in the files.
func TestInspectSaysOnlyWhatTheFilesSay(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{NoSpare: true, SegmentBytes: minSegment})
	for n := 0; len(s.Status().Segments) < 3; n++ {
		appendNumbered(t, s, n)
	}
	look := func() (fields map[string]any, sealed []any) {
		t.Helper()
		st, err := Inspect(nil, dir)
		must(t, err)
		text, err := json.Marshal(st)
		must(t, err)
		must(t, json.Unmarshal(text, &fields))
		for _, g := range fields["segments"].([]any) {
			sealed = append(sealed, g.(map[string]any)["sealed"])
		}
		return fields, sealed
	}

	fields, sealed := look()
	for _, name := range []string{"appended", "syncs", "max_bytes"} {
		if v, there := fields[name]; there {
			t.Errorf("%s: %v", name, v)
		}
	}
	if last := len(sealed) - 1; last < 2 || sealed[0] != true || sealed[last] != nil {
		t.Errorf("sealed: %v, want true of all but the last and nothing of that", sealed)
	}
	if live := s.Status(); live.Appended.Records == 0 || live.Syncs == 0 || *live.Segments[0].Sealed == *live.Segments[len(live.Segments)-1].Sealed {
		t.Errorf("the process itself says %+v", live)
	}
	must(t, s.Close())
	if _, sealed := look(); sealed[len(sealed)-1] != true {
		t.Errorf("after the end: sealed %v", sealed)
	}
}
