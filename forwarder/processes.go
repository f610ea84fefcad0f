package forwarder

import (
	"strconv"
	"sync"
	"time"
)

const (
	// roundsUnseen is after how many rounds in which others answer a process
	// counts as ended. Each round asks as often as there are processes. So a
	// balancer that chooses at random passes over one that lives with a chance of
	// some 10^-7.
	roundsUnseen = 16
	mostAsks     = 8 // in a round
)

// Said is what a process of Tempo says of itself.
type Said struct {
	// Started tells a process from others: when it started, in seconds since 1970.
	Started float64
	// Discarded is how many spans it has discarded since then, by tenant and reason.
	Discarded map[string]map[string]int64
}

// processes are those of Tempo that answer. It is one, unless a balancer chooses
// among several. Of several none may have ended before what they took counts as
// settled, since it is not known which of them took it.
//
// A process that started after all that were known takes the place of all: one
// of them may have ended. Those that live on are seen again, and are added: an
// older process is not a new run. One that is not seen for some rounds has ended.
type processes struct {
	mu      sync.Mutex
	seen    map[float64]*sighting // by start time
	newest  float64               // start time, of all that ever answered
	ends    int                   // how often one may have ended
	silent  bool                  // nothing answered in the last round
	several bool                  // there were ever several
}

type sighting struct {
	asked     time.Time // when it was last asked, and answered
	round     bool      // it answered in this round
	missed    int       // rounds in a row in which only others did
	discarded map[string]map[string]int64
}

// answered enters an answer. It returns what the process had discarded before,
// and whether that is known; and whether this answer is the first to tell of
// several processes.
func (p *processes) answered(said Said, asked time.Time) (before map[string]map[string]int64, known, several bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.seen[said.Started]
	switch {
	case s != nil:
		before, known = s.discarded, true
	case p.seen == nil || said.Started > p.newest:
		if p.seen != nil {
			p.ends++
			known = true // it has counted from 0
		}
		p.newest = said.Started
		p.seen = map[float64]*sighting{}
	default:
		several = !p.several
		p.several = true
	}
	p.seen[said.Started] = &sighting{asked: asked, round: true, discarded: said.Discarded}
	return before, known, several
}

// endRound forgets processes that have ended.
func (p *processes) endRound() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = true
	for _, s := range p.seen {
		p.silent = p.silent && !s.round
	}
	if p.silent {
		return
	}
	for started, s := range p.seen {
		if s.round {
			s.round, s.missed = false, 0
		} else if s.missed++; s.missed >= roundsUnseen {
			delete(p.seen, started)
			p.ends++
		}
	}
}

// asks is how many questions a round has.
func (p *processes) asks() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(max(1, len(p.seen)), mostAsks)
}

// run names the time in which none of the processes has ended. It is empty where
// that is not known, for now or at all. All of them lived at the time since.
func (p *processes) run() (name string, since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent || len(p.seen) == 0 {
		return "", time.Time{}
	}
	for _, s := range p.seen {
		if since.IsZero() || s.asked.Before(since) {
			since = s.asked
		}
	}
	return "#" + strconv.Itoa(p.ends), since
}
