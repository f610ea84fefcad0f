package forwarder

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const (
	shareMin    = 1.0 / 16 // of the rate, at the start and after each fright
	shareGrowth = 1.5      // a second
	busyPause   = 50 * time.Millisecond
)

// digest limits what Tempo is sent by what it can digest, which the speed of
// its answers says little of, since it acknowledges before it has done the
// work: bytes a second, and bytes that are not proven. It is one for all
// tenants.
type digest struct {
	busy   func() bool
	rate   float64      // bytes per second at the most; 0 for any
	window int64        // bytes that may be unproven; 0 for any
	held   atomic.Int64 // bytes that are

	mu      sync.Mutex
	share   float64 // of rate that is used now
	credit  float64 // bytes that may go at once; negative after a large request
	counted time.Time
}

func newDigest(o *Options) *digest {
	return &digest{busy: o.Busy, rate: float64(o.BytesPerSecond), window: o.Window, share: shareMin, counted: time.Now()}
}

// ready waits until a request of so many bytes may go: when Tempo is not busy,
// and there is room.
func (d *digest) ready(ctx context.Context, bytes int) error {
	for {
		wait := d.ask(bytes)
		if wait <= 0 {
			return ctx.Err()
		}
		if err := sleep(ctx, wait, nil); err != nil {
			return err
		}
	}
}

// ask returns how long to wait before asking again; 0 means that the request
// may go, and is counted.
func (d *digest) ask(bytes int) time.Duration {
	busy := d.busy()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refill(time.Now(), busy)
	if busy || d.window > 0 && d.held.Load() >= d.window {
		return busyPause
	}
	if d.rate > 0 && d.credit <= 0 {
		return min(busyPause, time.Duration(-d.credit/(d.rate*d.share)*float64(time.Second))+time.Millisecond)
	}
	d.credit -= float64(bytes)
	return 0
}

// refill adds what may go since the last look.
func (d *digest) refill(now time.Time, busy bool) {
	seconds := now.Sub(d.counted).Seconds()
	d.counted = now
	if !busy {
		d.share = min(1, d.share*math.Pow(shareGrowth, seconds))
	}
	rate := d.rate * d.share
	d.credit = min(d.credit+rate*seconds, rate/10) // a tenth of a second at once
}

// frighten goes on slowly.
func (d *digest) frighten() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.share = shareMin
}
