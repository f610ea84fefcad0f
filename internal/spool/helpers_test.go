package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"appliance/internal/durable"
)

var ctx = context.Background()

// ended is for Next not to wait.
var ended = func() context.Context {
	c, cancel := context.WithCancel(context.Background())
	cancel()
	return c
}()

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// numbered makes the record with a number: its content follows from it, so that
// whoever reads it can tell whether it is whole and which one it is.
func numbered(n int) Record {
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	size := rng.IntN(400)
	if n%7 == 0 {
		size = rng.IntN(3000)
	}
	payload := fmt.Appendf(nil, "%d:", n)
	for range size {
		payload = append(payload, byte(rng.Uint32()))
	}
	return Record{
		Tenant:  fmt.Sprintf("tenant-%d", n%3),
		Spans:   1 + n%5,
		Time:    epoch.Add(time.Duration(n) * time.Millisecond),
		Payload: payload,
	}
}

// number is which record it is; an error if it is none that was ever made.
func number(r Record) (int, error) {
	var n int
	if _, err := fmt.Sscanf(string(r.Payload), "%d:", &n); err != nil {
		return 0, fmt.Errorf("invented record %.20q: %w", r.Payload, err)
	}
	want := numbered(n)
	if r.Tenant != want.Tenant || r.Spans != want.Spans || !r.Time.Equal(want.Time) || !bytes.Equal(r.Payload, want.Payload) {
		return 0, fmt.Errorf("record %d is not as it was", n)
	}
	return n, nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string, opts Options) *Spool {
	t.Helper()
	s, err := Open(dir, opts)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func appendNumbered(t testing.TB, s *Spool, numbers ...int) map[int]Position {
	t.Helper()
	at := make(map[int]Position)
	for _, n := range numbers {
		pos, err := s.Append(numbered(n))
		must(t, err)
		at[n] = pos
	}
	return at
}

// pass reads everything once, without waiting, and returns the numbers.
func pass(s *Spool) (numbers []int, at map[int]Position, err error) {
	r := s.NewReader()
	defer r.Close()
	at = make(map[int]Position)
	var buf []byte
	var last Position
	for {
		e, err := r.Next(ended, buf)
		if errors.Is(err, context.Canceled) || errors.Is(err, ErrClosed) {
			return numbers, at, nil
		}
		if err != nil {
			return numbers, at, err
		}
		if last.Compare(e.Position) >= 0 {
			return numbers, at, fmt.Errorf("%s was read after %s", e.Position, last)
		}
		n, err := number(e.Record)
		if err != nil {
			return numbers, at, fmt.Errorf("at %s: %w", e.Position, err)
		}
		again, err := s.ReadAt(e.Position, nil)
		if err != nil || !bytes.Equal(again.Payload, e.Payload) {
			return numbers, at, fmt.Errorf("ReadAt %s differs from Next: %w", e.Position, err)
		}
		numbers, at[n], last, buf = append(numbers, n), e.Position, e.Position, e.Payload
	}
}

func mustPass(t testing.TB, s *Spool) []int {
	t.Helper()
	numbers, _, err := pass(s)
	must(t, err)
	return numbers
}

func upTo(n int) []int {
	var numbers []int
	for i := range n {
		numbers = append(numbers, i)
	}
	return numbers
}

// file reads a whole file.
func file(t testing.TB, fsys durable.FS, name string) []byte {
	t.Helper()
	b, err := durable.ReadFile(fsys, name, 1<<30)
	must(t, err)
	return b
}
