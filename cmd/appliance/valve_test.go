package main

import "testing"

func TestMemoryValve(t *testing.T) {
	var live int64
	var unwritten int
	v := memoryValve{live: func() int64 { return live }, limit: 1000, unwritten: func() int { return unwritten }}
	for _, step := range []struct {
		live      int64
		unwritten int
		want      bool
		why       string
	}{
		{0, 0, false, "nothing is in use"},
		{790, 0, false, "not yet"},
		{810, 0, true, "too much"},
		{750, 0, true, "shut until there is room"},
		{690, 0, false, "room again"},
		{750, 0, false, "open until it is too much"},
		{100, 3, false, "a short queue"},
		{100, 4, true, "Tempo does not keep up"},
		{100, 3, false, "a block was written"},
		{810, 4, true, "both"},
		{690, 4, true, "the queue alone"},
	} {
		live, unwritten = step.live, step.unwritten
		if got := v.closed(); got != step.want {
			t.Errorf("%d in use and %d blocks unwritten: closed %v, want %v: %s", live, unwritten, got, step.want, step.why)
		}
	}
}
