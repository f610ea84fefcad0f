package main

import (
	"errors"
	"strings"
	"testing"

	"appliance/internal/spool"
	"appliance/receiver"
)

// What can never be kept is rejected, with what would help: more room does not for more than a record can hold.
func TestTooLargeForTheSpool(t *testing.T) {
	s, err := spool.Open(t.TempDir(), spool.Options{MaxBytes: 1 << 20, NoSpare: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for size, want := range map[int]string{2 << 20: "raise spool.max_bytes", spool.MaxPayload + 1: "limit is 67108864; send smaller batches"} {
		err := sinkTo{s}.Keep(t.Context(), receiver.Batch{Spans: 7, Payload: make([]byte, size)})
		rejected, ok := errors.AsType[*receiver.RejectedError](err)
		if !ok || rejected.Spans != 7 || !strings.Contains(rejected.Reason, want) {
			t.Errorf("%d bytes: %v, want one that says %q", size, err, want)
		}
	}
}
