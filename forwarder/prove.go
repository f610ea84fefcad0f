package forwarder

import (
	"context"
	"time"
)

// proof is what proveAll goes by. It is for one goroutine.
type proof struct {
	f        *Forwarder
	unproven []*shipment // acknowledged, in no particular order
	looked   time.Time   // when makeRoom last did
}

// proveAll gives up shipments that have settled, and sends those again that
// Tempo may have lost.
func (f *Forwarder) proveAll(ctx context.Context) {
	p := &proof{f: f}
	for {
		p.round()
		select {
		case <-time.After(f.o.every):
		case <-ctx.Done():
			p.round() // what came last, so that less is sent twice
			return
		}
	}
}

// round is one look at everything.
func (p *proof) round() {
	f := p.f
	// before it is asked which run of Tempo this is: an end that comes later is
	// none of this round's
	now := time.Now()
	target, since, err := f.target()
	before := len(p.unproven)
	f.mu.Lock()
	p.unproven = append(p.unproven, f.acked...)
	f.acked = nil
	broke := f.broke
	f.mu.Unlock()
	at := sight{process: target.Process, since: since, broke: broke, now: now}
	keep := p.unproven[:0]
	for i, s := range p.unproven {
		// A newer process than target may have taken those that have just come.
		at.known = err == nil && i < before
		switch p.judge(s, at) {
		case wait:
			keep = append(keep, s)
		case done:
			if !p.release(s) {
				keep = append(keep, s)
			}
		case ended:
			p.resend(s)
		}
	}
	clear(p.unproven[len(keep):])
	p.unproven = keep
	if err := f.o.Spool.Release(); err != nil { // a checkpoint, when one is due
		f.stats.trouble(err)
	}
	if now.Sub(p.looked) > f.roomEvery {
		p.looked = now
		f.makeRoom()
	}
}

type verdict int

const (
	wait  verdict = iota
	done          // it may leave the spool
	ended         // Tempo has, and may have had it in memory only
)

// sight is what was known at a time.
type sight struct {
	now     time.Time
	known   bool      // there is a Tempo
	process string    // Target.Process
	since   time.Time // when it was last seen that this run of Tempo has not ended
	broke   time.Time // when a connection was last lost
}

// judge says what is to become of a shipment.
func (p *proof) judge(s *shipment, at sight) verdict {
	settle := p.f.o.Settle
	missing := s.missing()
	if missing <= s.refused+s.partial { // Tempo has named these: nothing that it took is missing
		p.charge(s, "refused", min(s.refused, missing))
		p.charge(s, "partial_success", s.missing())
		return done
	}
	ran := at.process != "" && s.process != "" // else it is not known which runs of Tempo these are
	over := at.known && ran && s.process != at.process
	if !ran {
		over = at.broke.After(s.began) && at.broke.Before(s.acked.Add(settle))
	}
	age := at.now.Sub(s.acked)
	silent := s.process != "" && at.process == "" // it will say, or another run of it
	unseen := ran && at.since.Sub(s.acked) < settle
	switch {
	case over:
		return ended
	case age < settle || !at.known || silent || unseen: // has it ended?
		return wait
	}
	charged, ok := p.f.said.charges(s.tenant, missing-s.refused-s.partial, s.acked)
	if !ok && age < 2*settle {
		return wait // for what it says it discarded
	}
	p.charge(s, "refused", s.refused)
	p.charge(s, "partial_success", s.partial)
	for reason, n := range charged {
		p.charge(s, reason, n)
	}
	return done
}

// charge counts spans as discarded by Tempo. Which of the shipment's they are
// makes no difference.
func (p *proof) charge(s *shipment, reason string, spans int) {
	for i := range s.spans {
		if spans <= 0 {
			return
		}
		if s.finish(i) {
			spans--
			s.charged = addTo(s.charged, reason)
		}
	}
}

func addTo(m map[string]int, reason string) map[string]int {
	if m == nil {
		m = map[string]int{}
	}
	m[reason]++
	return m
}

// release gives a shipment up. False means that it has to be tried again.
func (p *proof) release(s *shipment) bool {
	f := p.f
	// before the spool knows: pending less unproven is what is still to be sent
	f.countUnproven(s, -1)
	if err := s.giveUp(f.o.Spool); err != nil {
		f.countUnproven(s, 1)
		f.stats.trouble(err)
		f.log.Error("the spool cannot give up proven records; trying again", "err", err)
		return false
	}
	discarded := 0
	for reason, n := range s.charged {
		f.o.Discarded(s.tenant, reason, n)
		f.stats.discarded(reason, n)
		discarded += n
		f.log.Warn("tempo discarded spans; see its limits (overrides) for the reason", "reason", reason, "spans", n, "tenant", s.tenant)
	}
	f.stats.proven.Add(int64(s.spans - discarded - s.damaged - len(s.stuck)))
	if s.entry != "" {
		f.retries.end(s, true)
	}
	return true
}

// resend has a shipment sent again as a whole.
func (p *proof) resend(s *shipment) {
	f := p.f
	f.countUnproven(s, -1)
	s.restart()
	if s.entry != "" {
		f.retries.end(s, false)
		return
	}
	f.stats.resent(resentRestart, s.missing())
	f.lanes.again(s)
}
