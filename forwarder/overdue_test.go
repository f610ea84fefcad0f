package forwarder

import (
	"testing"
	"time"
)

// What is in no block when it should be is sent again; not while Tempo is just slow, with much to do.
func TestIsOverdue(t *testing.T) {
	sent := time.Now()
	for name, c := range map[string]struct {
		age    time.Duration // since the acknowledgement, which took a second
		held   int64
		newest time.Duration // after sent, of what was found in a block
		want   bool
	}{
		"young":                             {59 * time.Second, 0, time.Hour, false},
		"old, and little to do":             {61 * time.Second, cheapBytes - 1, -time.Hour, true},
		"old, and much to do":               {61 * time.Second, cheapBytes, -time.Hour, false},
		"old, and later ones are in blocks": {61 * time.Second, cheapBytes, time.Second, true},
		"very old, and much to do":          {11 * time.Minute, 1 << 40, -time.Hour, true},
	} {
		f := New(Options{ResendAfter: time.Minute})
		f.pace.held.Store(c.held)
		p := &proof{f: f, newest: sent.Add(c.newest)}
		s := &shipment{sent: sent, acked: sent.Add(time.Second)}
		if got := p.isOverdue(s, s.acked.Add(c.age)); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
