package torture

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/internal/block/blocktest"
)

// A sender sends the spans of twenty services, one request after the other, as many
// a second as it is told to or as the machine can.
type sender struct {
	url  string
	pace int // spans a second
	load *blocktest.Load

	mu   sync.Mutex
	sent int64
	took []time.Duration // by the requests since p99 was last called
	err  error
}

func newSender(url string, pace int) *sender {
	return &sender{url: url, pace: pace, load: blocktest.NewLoad(1, 1<<30)}
}

// run sends until its context ends, or a request is not taken wholly.
func (s *sender) run(ctx context.Context) (err error) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = err
	}()
	began := time.Now()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for sent := int64(0); ; {
		pause.Reset(time.Duration(sent)*time.Second/time.Duration(s.pace) - time.Since(began))
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
		record, n := s.load.Next()
		start := time.Now()
		if err := s.send(record); err != nil {
			return err
		}
		sent += int64(n)
		s.mu.Lock()
		s.sent, s.took = sent, append(s.took, time.Since(start))
		s.mu.Unlock()
	}
}

func (s *sender) send(record []byte) error {
	resp, err := http.Post(s.url, harness.Protobuf, bytes.NewReader(record))
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || len(body) > 0 {
		return fmt.Errorf("send spans: the answer is %s %q, %v", resp.Status, body, err)
	}
	return nil
}

// await waits until so many spans more were taken.
func (s *sender) await(t *testing.T, spans int64) {
	t.Helper()
	s.mu.Lock()
	until := s.sent + spans
	s.mu.Unlock()
	harness.Eventually(t, 10*time.Minute, "spans that are taken", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.err != nil {
			t.Fatal(s.err)
		}
		if s.sent < until {
			return fmt.Errorf("%d spans were taken", s.sent)
		}
		return nil
	})
}

// p99 is of the requests since the last call; of none it is 0.
func (s *sender) p99() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.took) == 0 {
		return 0
	}
	slices.Sort(s.took)
	p99 := s.took[len(s.took)*99/100]
	s.took = nil
	return p99.Round(10 * time.Microsecond)
}
