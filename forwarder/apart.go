package forwarder

import (
	"encoding/binary"
	"sync"
	"time"

	"appliance/internal/otlpwire"
)

const (
	aliveSlots   = 1 << 18 // 4 MiB: traces that are alive; more at once, and some are forgotten
	requestSlots = 1 << 14 // those of one request
)

// apart keeps traces from being alive in a Tempo at once that it takes for one.
// A Tempo before 2.8.1 tells traces by 32 bits of a hash of their ids: of the
// ids alone in its ingester, and with the tenant's name before them within a
// request.
type apart struct {
	idle time.Duration // after it Tempo has forgotten a trace; 0: it tells them by their ids

	mu       sync.Mutex
	began    time.Time
	alive    *recent
	request  *recent
	requests uint32
}

func newApart(idle time.Duration) *apart {
	a := &apart{idle: idle, began: time.Now()}
	if idle > 0 {
		a.alive, a.request = newRecent(aliveSlots), newRecent(requestSlots)
	}
	return a
}

// tick is the time in units of recent.
const tick = 10 * time.Millisecond

// admit enters the traces of a request that is about to be sent. It returns
// what of it may go now, and how long the rest is to wait; 0 where all may go.
func (a *apart) admit(b *batch) (*batch, time.Duration, error) {
	if a.idle <= 0 {
		return b, 0, nil
	}
	held, wait, err := a.enter(b)
	if err != nil || wait == 0 {
		return b, 0, err
	}
	some, err := b.without(held)
	return some, wait, err
}

// enter returns the spans that are to wait.
func (a *apart) enter(b *batch) (held bits, wait time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, idle := a.now(), uint32(a.idle/tick)+1
	a.requests++
	start := fnv1(fnvStart, []byte(b.tenant))
	var last [16]byte
	var lastWait uint32
	i := 0
	_, err = wire.Walk(b.payload, func(span *otlpwire.Span) {
		if i == 0 || string(last[:]) != string(span.TraceID) {
			copy(last[:], span.TraceID)
			print := printOf(last[:])
			if a.request.enter(fnv1(start, last[:]), print, a.requests, 1) > 0 {
				lastWait = idle
			} else {
				lastWait = a.alive.enter(fnv1(fnvStart, last[:]), print, now, idle)
			}
		}
		if lastWait > 0 {
			held.set(i, b.spans)
			wait = max(wait, time.Duration(lastWait)*tick)
		}
		i++
	})
	return held, wait, err
}

// took enters that a request took long: its traces were sent when it ended.
func (a *apart) took(b *batch, latency time.Duration) error {
	if a.idle <= 0 || latency < a.idle/16 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	_, err := wire.Walk(b.payload, func(span *otlpwire.Span) {
		a.alive.touch(fnv1(fnvStart, span.TraceID), printOf(span.TraceID), now)
	})
	return err
}

func (a *apart) now() uint32 { return uint32(time.Since(a.began)/tick) + 1 }

// printOf tells trace ids apart, as good as always.
func printOf(id []byte) uint64 {
	return binary.LittleEndian.Uint64(id)*0x9e3779b97f4a7c15 ^ binary.LittleEndian.Uint64(id[8:])
}

const fnvStart = 0x811c9dc5

// fnv1 goes on with a 32-bit FNV-1 hash.
func fnv1(h uint32, data []byte) uint32 {
	for _, b := range data {
		h = h*0x01000193 ^ uint32(b)
	}
	return h
}

const perBucket = 8

// recent is the traces that were seen last, by a hash. Where too many share a
// bucket the oldest is forgotten.
type recent struct{ buckets [][perBucket]seen }

type seen struct {
	print uint64 // of the trace id, which tells it from others
	hash  uint32
	at    uint32 // time<<1, and 1 while another trace with this hash waits
}

// maxAge is how far apart the times of two traces can be: they have 31 bits.
const maxAge = 1 << 31

// age is how long before now it was seen.
func (s *seen) age(now uint32) uint32 { return (now - s.at>>1) % maxAge }

func newRecent(slots int) *recent {
	return &recent{make([][perBucket]seen, slots/perBucket)}
}

// enter enters a trace at a time. Where another one with its hash was seen less
// than idle ago, it returns how long to wait instead. So that each gets its
// turn, a trace waits too once another one waits for it.
func (r *recent) enter(hash uint32, print uint64, now, idle uint32) (wait uint32) {
	bucket := &r.buckets[int(hash)%len(r.buckets)]
	oldest := &bucket[0]
	for i := range bucket {
		s := &bucket[i]
		if s.hash != hash || s.at == 0 {
			if oldest.at != 0 && (s.at == 0 || s.age(now) > oldest.age(now)) {
				oldest = s
			}
			continue
		}
		age := s.age(now)
		switch {
		case s.print == print && s.at&1 == 0:
		case s.print == print && age < 2*idle: // the turn of who waits
			return 2*idle - age
		case s.print != print && age < idle:
			s.at |= 1
			return idle - age
		}
		*s = seen{print, hash, now << 1}
		return 0
	}
	*oldest = seen{print, hash, now << 1}
	return 0
}

// touch enters that a trace was seen at a later time too.
func (r *recent) touch(hash uint32, print uint64, now uint32) {
	bucket := &r.buckets[int(hash)%len(r.buckets)]
	for i := range bucket {
		if s := &bucket[i]; s.hash == hash && s.print == print && s.at != 0 {
			if s.age(now) < maxAge/2 { // and not from before
				s.at = now<<1 | s.at&1
			}
		}
	}
}
