package serve

import (
	"errors"
	"strings"
	"testing"

	"appliance/internal/spool"
	"appliance/receiver"
)

// What can never be kept is rejected, with what would help: more room does not
// for more than a record can hold.
func TestTooLargeForTheSpool(t *testing.T) {
	s, err := spool.Open(t.TempDir(), spool.Options{MaxBytes: 1 << 20, NoSpare: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for size, want := range map[int]string{2 << 20: "raise spool.max_bytes", spool.MaxPayload + 1: "limit is 67108864; send smaller batches"} {
		err := (&sinkTo{Spool: s}).Keep(t.Context(), receiver.Batch{Spans: 7, Payload: make([]byte, size)})
		rejected, ok := errors.AsType[*receiver.RejectedError](err)
		if !ok || rejected.Spans != 7 || !strings.Contains(rejected.Reason, want) {
			t.Errorf("%d bytes: %v, want one that says %q", size, err, want)
		}
	}
}

// A batch that is larger than most says nothing of the others; once a small one
// does not fit, clients are refused before they send any.
func TestFullSpoolIsKnownBeforeABodyIsRead(t *testing.T) {
	s, err := spool.Open(t.TempDir(), spool.Options{MaxBytes: 8 << 20, NoSpare: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sink := &sinkTo{Spool: s}
	fill := func(size int) (err error) {
		for range 1000 {
			if err = sink.Keep(t.Context(), receiver.Batch{Spans: 1, Payload: make([]byte, size)}); err != nil {
				break
			}
		}
		return err
	}
	if err := fill(3 << 20); !errors.Is(err, spool.ErrFull) || sink.Ready() != nil {
		t.Errorf("with large batches: %v, then %v, want a full spool that may still take a small one", err, sink.Ready())
	}
	if err := fill(10 << 10); !errors.Is(err, spool.ErrFull) || !errors.Is(sink.Ready(), spool.ErrFull) {
		t.Errorf("with small batches: %v, then %v, want a full spool", err, sink.Ready())
	}
}
