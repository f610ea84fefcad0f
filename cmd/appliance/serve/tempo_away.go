package serve

import (
	"sync/atomic"
	"time"

	"appliance/forwarder"
)

// tempoAwayAfter is how long requests have to fail, and none to succeed, until a
// Tempo elsewhere counts as away: one request that is lost is not news.
const tempoAwayAfter = 3 * time.Second

// tempoAway follows whether a Tempo elsewhere takes spans, by what the forwarder counts.
//
// It is for one goroutine but for isAway.
type tempoAway struct {
	away            atomic.Bool
	acked, failures int64     // when it last took some
	since           time.Time // when it first failed after that, zero if it did not
	err             string
}

func (t *tempoAway) changed(s forwarder.Stats, now time.Time) change {
	switch {
	case s.AckedSpans > t.acked:
		t.acked, t.failures, t.since, t.err = s.AckedSpans, s.Failures, time.Time{}, ""
		if t.away.Swap(false) {
			return cameBack
		}
	case s.Failures > t.failures:
		if t.since.IsZero() {
			t.since = now
		}
		t.err = s.LastError
		if now.Sub(t.since) >= tempoAwayAfter && !t.away.Swap(true) {
			return wentAway
		}
	}
	return unchanged
}

func (t *tempoAway) isAway() bool { return t.away.Load() }
