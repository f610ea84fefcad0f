package querier

import (
	"sync"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// teller gives what a search has found so far to the one who asked. The search goes
// on meanwhile: one who takes long to listen holds up no other query.
type teller struct {
	found readapi.Found
	news  chan *traceql.Search // the last that has found something
	done  chan struct{}

	mu  sync.Mutex
	err error // of found
}

// newTeller makes a teller, which does nothing if found is nil. End it.
func newTeller(found readapi.Found) *teller {
	t := &teller{found: found, news: make(chan *traceql.Search, 1), done: make(chan struct{})}
	if found == nil {
		close(t.done)
		return t
	}
	go t.run()
	return t
}

// tell says that a search has found something. The error ends the search.
func (t *teller) tell(s *traceql.Search) error {
	if t.found == nil {
		return nil
	}
	select {
	case t.news <- s:
	default: // it is asked for all that it has found soon
	}
	return t.failed()
}

func (t *teller) failed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// end waits until all is told.
func (t *teller) end() error {
	close(t.news)
	<-t.done
	return t.failed()
}

func (t *teller) run() {
	defer close(t.done)
	told := map[*traceql.FoundTrace]bool{}
	for s := range t.news {
		all, _ := s.Found()
		var fresh []*traceql.FoundTrace
		for _, f := range all {
			if !told[f] {
				told[f] = true
				fresh = append(fresh, f)
			}
		}
		if len(fresh) == 0 || t.failed() != nil {
			continue
		}
		if err := t.found(fresh); err != nil {
			t.mu.Lock()
			t.err = err
			t.mu.Unlock()
		}
	}
}
