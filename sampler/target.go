package sampler

import (
	"cmp"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"
)

// target holds the kept spans to a number per second. Every window it shares that
// number out fairly among the services that were seen: who asks for less than
// an equal share gets all of it, and the rest is split again among the others
// (max-min fairness). A service that asks for more gets a threshold that would have let
// through its share of the last window's spans. What a service asks for is what its
// configured rate lets through, so a threshold is only ever raised.
//
// How a threshold is found: of the spans that come, exactly those with randomness
// at or above it pass, whatever sampled them before and whether or not that told
// in th. So it is a quantile of the randomness that came, and one window finds it.
// Before the first window ends, and for a service that was not there in the last one, nothing
// is held back. Above 768 services at once (maxStaying) a new one begins with the threshold of
// the smallest ones together, since it cannot be told from those.
//
// What is lost. Nothing is random: within a window a service has one threshold, its spans
// carry it as th, and counts can be restored. But services of one trace may
// have different thresholds, and they change when a window ends:
//   - A trace whose randomness reaches the highest threshold among its services is
//     complete. One between two thresholds lacks the spans of the services above it, which
//     are the busy ones; kept sets nest, so the traces that a busy service keeps are
//     among those that every quieter one keeps.
//   - A trace that lasts over the end of a window may lose what came on the side with the
//     higher threshold.
//   - Each replica goes by the traffic that it sees. Replicas that share a service's traffic
//     evenly come near the same threshold, not to the same.
//
// A configured probability alone has none of these faults.
type target struct {
	seen    atomic.Pointer[services]
	windows atomic.Pointer[Window]
}

func newTarget() *target {
	t := &target{}
	t.seen.Store(newServices())
	t.windows.Store(&Window{})
	return t
}

// service finds where a service is counted; those beyond the bound share one place.
func (t *target) service(name []byte) *service { return t.seen.Load().find(name) }

// Buckets of randomness, by its distance from the top: 4 an octave, as a
// threshold matters by its ratio. Beyond 2^-32 the last one takes all.
const (
	octaves      = 32
	subBits      = 2
	buckets      = octaves << subBits
	enoughToRank = 16 // spans from which on a quantile is taken as measured
)

// service is what is known of one service.
type service struct {
	name   string
	raised atomic.Uint64 // the threshold now, Always where nothing is held back

	// Of this window:
	arrived atomic.Uint64
	kept    atomic.Uint64
	forced  atomic.Uint64          // kept by sampling.priority
	passed  [buckets]atomic.Uint32 // reached the configured threshold, kept or not
}

func (s *service) observe(d *Decision) {
	s.arrived.Add(1)
	switch d.Reason {
	case Kept, KeptUnmarked:
		s.kept.Add(1)
		s.passed[bucketOf(d.Randomness)].Add(1)
	case KeptPriority:
		s.kept.Add(1)
		s.forced.Add(1)
	case DroppedTarget:
		s.passed[bucketOf(d.Randomness)].Add(1)
	}
}

// bucketOf counts from 0, the most distant from the top.
func bucketOf(r Randomness) int {
	distance := uint64(randomBound - 1 - r)
	n := bits.Len64(distance)
	octave := randomBits - n
	if octave >= octaves {
		return buckets - 1
	}
	sub := distance >> (n - 1 - subBits) & (1<<subBits - 1)
	return octave<<subBits | int(1<<subBits-1-sub)
}

// bucketSpan is the share of all randomness above the bucket, and within it.
func bucketSpan(b int) (above, within float64) {
	if b == buckets-1 {
		return 0, (1 + 1.0/(1<<subBits)) / (1 << octaves)
	}
	octave := 1 / float64(uint64(2)<<(b>>subBits)) // width of the octave, and where it starts
	within = octave / (1 << subBits)
	return octave + within*float64(1<<subBits-1-b&(1<<subBits-1)), within
}

// demand is what one service did in a window.
type demand struct {
	*service
	arrived, kept, forced, asked float64
	granted                      float64
	passed                       [buckets]uint32
}

// take ends the service's window.
func (s *service) take() demand {
	d := demand{service: s, arrived: float64(s.arrived.Swap(0)), kept: float64(s.kept.Swap(0)), forced: float64(s.forced.Swap(0))}
	d.asked = d.forced
	for b := range s.passed {
		if s.passed[b].Load() > 0 {
			d.passed[b] = s.passed[b].Swap(0)
			d.asked += float64(d.passed[b])
		}
	}
	return d
}

// roll ends a window.
func (t *target) roll(took time.Duration, perSecond float64, precision int) {
	old := t.seen.Load()
	var asking []demand
	for svc := range old.all() {
		if d := svc.take(); d.arrived > 0 {
			asking = append(asking, d)
		} else {
			svc.raised.Store(uint64(Always))
		}
	}
	shareOut(asking, perSecond*took.Seconds())
	for i := range asking {
		d := &asking[i]
		d.raised.Store(uint64(d.threshold(precision)))
	}
	// Busiest first: they keep their place, and are those that are reported.
	slices.SortFunc(asking, func(a, b demand) int {
		return cmp.Or(cmp.Compare(b.arrived, a.arrived), cmp.Compare(a.name, b.name))
	})
	next := old.renew(asking, precision)
	t.windows.Store(report(asking, old.rest, took))
	t.seen.Store(next)
}

// join adds what another service did.
func (d *demand) join(o *demand) {
	d.asked += o.asked
	d.forced += o.forced
	d.granted += o.granted
	for b, n := range o.passed {
		d.passed[b] += n
	}
}

// shareOut grants every demand what it asks for, or an equal part of what is left
// by those that ask for less.
func shareOut(asking []demand, budget float64) {
	slices.SortFunc(asking, func(a, b demand) int { return cmp.Compare(a.asked, b.asked) })
	for i := range asking {
		d := &asking[i]
		d.granted = min(d.asked, budget/float64(len(asking)-i))
		budget -= d.granted
	}
}

// threshold is the one that would have let through what is granted.
func (d *demand) threshold(precision int) Threshold {
	if d.granted >= d.asked {
		return Always
	}
	// What sampling.priority forces through comes out of the same share. At least
	// a hundredth of the share stays for the others, so that no service goes dark.
	want := max(d.granted-d.forced, d.granted/100)
	p := d.quantile(want)
	if p >= 1 {
		return Always
	}
	return thresholdOf(max(p, minProbability), precision)
}

// quantile is the share of all randomness, from the top, in which want of the
// spans were. Where want is only a few spans, their exact places say
// little, so it is a part of the share in which enoughToRank of them were.
func (d *demand) quantile(want float64) float64 {
	passed := d.asked - d.forced
	if want >= passed {
		return 1
	}
	rank := max(want, min(enoughToRank, passed))
	below := 0.0
	for b := buckets - 1; b >= 0; b-- {
		n := float64(d.passed[b])
		if n > 0 && below+n >= rank {
			above, within := bucketSpan(b)
			return (above + within*(rank-below)/n) * want / rank
		}
		below += n
	}
	return 1
}
