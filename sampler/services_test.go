package sampler

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// A crowd of services that are all there all the time leaves room for one that is new.
func TestNewServiceFindsRoomInACrowd(t *testing.T) {
	target := newTarget()
	send := func(n int) {
		for range n {
			target.service([]byte("new")).observe(&Decision{Reason: Kept})
		}
	}
	window := func(early, late int) {
		send(early)
		for i := range maxServices {
			for range 1 + i%7 {
				target.service(fmt.Appendf(nil, "crowd-%d", i)).observe(&Decision{Reason: Kept})
			}
		}
		send(late)
		target.roll(time.Second, 2000, 4)
	}
	window(0, 5000)
	before := target.windows.Load()
	if before.Services[0].Name == "new" || before.Rest.Arrived < 5000 {
		t.Fatalf("the table is not full: %+v", before)
	}
	window(100, 4900)
	w := target.windows.Load()
	if w.Services[0].Name != "new" || w.Services[0].Arrived != 5000 {
		t.Errorf("a new service in its second window: %+v", w.Services[0])
	}
	if got := w.All.Arrived; got != before.All.Arrived {
		t.Errorf("%v spans in all, then %v", before.All.Arrived, got)
	}
}

// However many services there are, they keep what the target says, all together.
// Those that find no place in the table for the next window are not new in it.
func TestTargetHoldsForACrowd(t *testing.T) {
	for _, n := range []int{maxServices / 2, maxServices*3/4 + 1, maxServices - 10, 3 * maxServices} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			const target, each = 2000, 20 // spans in a second
			s := mustNew(t, Config{Probability: 1, TargetSpansPerSecond: target})
			tr := traffic{rng: rand.New(rand.NewPCG(26, uint64(n)))}
			for window := range 4 {
				all := 0.0
				for _, i := range tr.rng.Perm(n) { // who comes first has a place
					name := fmt.Sprint("crowd-", i)
					kept, _ := tr.send(t, s, map[string]int{name: each}, 1)
					all += kept[name]
				}
				if window > 0 {
					near(t, fmt.Sprintf("window %d", window), all, target, 0.25)
				}
				s.roll(time.Second)
			}
		})
	}
}

// What is not seen for a window is forgotten, and the rest is not held back for ever.
func TestUnseenServicesAreForgotten(t *testing.T) {
	target := newTarget()
	for range 100 {
		target.service([]byte("a")).observe(&Decision{Reason: Kept})
		target.service(make([]byte, maxServiceName+1)).observe(&Decision{Reason: Kept})
	}
	target.roll(time.Second, 50, 4)
	if target.service([]byte("a")).raised.Load() == uint64(Always) || target.seen.Load().rest.raised.Load() == uint64(Always) {
		t.Fatal("nothing is held back")
	}
	target.roll(time.Second, 50, 4)
	if n := target.seen.Load().count.Load(); n != 0 {
		t.Errorf("%d services are remembered", n)
	}
	if target.seen.Load().rest.raised.Load() != uint64(Always) {
		t.Error("the rest is held back though nothing of it was seen")
	}
}

// Two that see a service first at the same time find the same place.
func TestServicesAreFoundOnce(t *testing.T) {
	for range 50 {
		table := newServices()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := range 200 {
					table.find(fmt.Appendf(nil, "s%d", i)).arrived.Add(1)
				}
			})
		}
		wg.Wait()
		n := 0
		for s := range table.all() {
			if got := s.arrived.Load(); s != table.rest && got != 4 {
				t.Fatalf("%s was found %d times in one place", s.name, got)
			}
			n++
		}
		if n != 201 || table.count.Load() != 200 {
			t.Fatalf("%d places for 200 services, counted %d", n-1, table.count.Load())
		}
	}
}
