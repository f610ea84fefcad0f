package forwarder

import (
	"cmp"
	"time"
)

const (
	roomEvery = 10 * time.Second
	thinTimes = 16          // a segment holds as many times what is pending in it
	roomAfter = time.Minute // without anything taken
)

// makeRoom sets records aside that would fill the spool although there are few
// of them: those of tenants of which Tempo takes nothing, while it takes
// others, and those that it refuses, in segments of which hardly anything is
// left.
func (f *Forwarder) makeRoom() {
	st := f.o.Spool.Status()
	f.mu.Lock()
	idle := time.Since(f.lastAck) > roomAfter
	f.mu.Unlock()
	if st.Bytes < st.MaxBytes/2 || idle {
		return
	}
	thin := map[uint64]bool{}
	for _, g := range st.Segments {
		if g.Sealed != nil && *g.Sealed && g.Pending.Spans*thinTimes <= g.Total.Spans {
			thin[g.ID] = true
		}
	}
	for _, s := range f.lanes.takeFailing(f.roomAfter, func(s *shipment) bool { return thin[s.first.Segment] }) {
		f.log.Error("spans that tempo does not take would fill the spool; they are set aside and tried again from time to time",
			"spans", s.missing(), "tenant", s.tenant, "hint", "appliance spool stuck list")
		f.acknowledged(s)
	}
}

// takeFailing takes shipments out of lanes of which Tempo takes nothing for
// some time, and any that it refuses, and marks what is left to be sent as to
// be set aside.
func (q *lanes) takeFailing(after time.Duration, which func(*shipment) bool) (list []*shipment) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for _, l := range q.tenants {
		failing := !l.failing.IsZero() && now.Sub(l.failing) >= after
		for _, queue := range []*[]*shipment{&l.waiting, &l.doubted} {
			keep := (*queue)[:0]
			for _, s := range *queue {
				refused := s.refusal.times > 0 && now.Sub(s.sent) >= after
				if s.entry != "" || !failing && !refused || !which(s) {
					keep = append(keep, s)
					continue
				}
				q.parked -= s.cost
				s.cost = 0
				s.setAsideRest(cmp.Or(l.why, "tempo refuses it"))
				list = append(list, s)
			}
			clear((*queue)[len(keep):])
			*queue = keep
		}
	}
	return list
}

// setAsideRest is done with all spans that are still to be sent.
func (s *shipment) setAsideRest(why string) {
	for i := range s.spans {
		if !s.finished.has(i) && !s.taken.has(i) {
			s.setAside(i, why)
		}
	}
}
