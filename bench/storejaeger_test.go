package main

import (
	"slices"
	"strings"
	"testing"
)

// TestEachID holds that ids which end in the middle of one are an error: the
// spans behind them would be taken for lost.
func TestEachID(t *testing.T) {
	for text, want := range map[string][]string{
		"": nil, "12345678": {"12345678"}, "12345678abcdefgh": {"12345678", "abcdefgh"},
	} {
		var got []string
		err := eachID(strings.NewReader(text), func(id []byte) { got = append(got, string(id)) })
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
		if err := eachID(strings.NewReader(text+"1234"), func([]byte) {}); err == nil {
			t.Errorf("%q and half an id: no error", text)
		}
	}
}
