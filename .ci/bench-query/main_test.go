package main

import (
	"strings"
	"testing"
)

// What -only names is said before a block is made for it.
func TestOnlyNothing(t *testing.T) {
	err := run(t.Context(), []string{"-only", "nothing"})
	if err == nil || !strings.Contains(err.Error(), "trace by id") {
		t.Errorf("%v", err)
	}
	if n := len(chosen("span.customer.id")); n != 1 {
		t.Errorf("%d queries are chosen by a part of a name", n)
	}
	if n := len(chosen("")); n != len(queries) {
		t.Errorf("%d of %d queries are chosen by nothing", n, len(queries))
	}
}
