package main

import (
	"context"
	"io"
	"strings"
	"testing"
)

func TestAsk(t *testing.T) {
	for answer, want := range map[string]string{
		"y\n": "", "YES\n": "", " yes ": "", "n\n": "not confirmed", "\n": "not confirmed", "": "not confirmed", "yesterday\n": "not confirmed",
	} {
		err := ask(t.Context(), strings.NewReader(answer), io.Discard, "Go on?")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want: %s", answer, err, want)
		}
	}
}

// Ctrl-C ends a question that nobody answers.
func TestAskIsInterrupted(t *testing.T) {
	terminal, person := io.Pipe()
	defer person.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	var out strings.Builder
	asked := make(chan error)
	go func() { asked <- ask(ctx, terminal, &out, "Go on?") }()
	interrupt()
	if err := <-asked; err == nil || err.Error() != "interrupted; nothing was changed" {
		t.Errorf("%v", err)
	}
	if !strings.HasPrefix(out.String(), "Go on? [y/N] ") {
		t.Errorf("%q is asked", out.String())
	}
}
