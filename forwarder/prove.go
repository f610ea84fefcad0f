package forwarder

import (
	"cmp"
	"context"
	"time"

	"appliance/internal/otlpwire"
	"appliance/internal/spool"
)

const (
	recoverSpans = 1 << 20               // oldest ones in the spool that are looked for before anything is sent
	drainEvery   = 50 * time.Millisecond // how often Blocks is asked while draining
	cheapBytes   = 4 << 20               // unproven in all; so much can be sent again at any time
	slowFactor   = 10                    // times ResendAfter, after which Tempo has lost what is in no block
)

// proof is what proveAll goes by. It is for one goroutine.
type proof struct {
	f        *Forwarder
	unproven []*shipment // acknowledged, in no particular order
	buf      []byte
	tokens   *tokens   // made when a block comes, given back to the heap when there are none
	newest   time.Time // when the newest shipment was sent of which a block had something
	looked   time.Time // when makeRoom last did
}

// proveAll gives up shipments that are proven and sends the others again when it is time.
func (f *Forwarder) proveAll(ctx context.Context) {
	p := &proof{f: f}
	every := f.o.ProveEvery
	draining := f.draining
	for {
		p.round(ctx)
		select {
		case <-time.After(every):
		case <-draining:
			every, draining = drainEvery, nil
		case <-ctx.Done():
			p.round(context.WithoutCancel(ctx)) // what came last, so that less is sent twice
			return
		}
	}
}

// round is one look at everything.
func (p *proof) round(ctx context.Context) {
	f := p.f
	target, err := f.o.Target() // before the blocks: what an ended process has written is looked at once more
	known := err == nil
	var blocks []Block
	if f.o.Blocks != nil {
		blocks = p.newBlocks(ctx)
	}
	before := len(p.unproven)
	f.mu.Lock()
	p.unproven = append(p.unproven, f.acked...) // after the blocks, each of which is looked into once
	f.acked = nil
	broke := f.broke
	f.mu.Unlock()
	p.checkBlocks(ctx, blocks)
	if f.o.Blocks == nil && known {
		if err := f.said.update(ctx, p.unproven, target.Process, f.o.Settle/4); err != nil && ctx.Err() == nil {
			f.stats.trouble(err)
		}
	}
	now := time.Now()
	keep := p.unproven[:0]
	for i, s := range p.unproven {
		// A newer process than target may have taken those that have just come.
		switch p.judge(s, known && i < before, target.Process, broke, now) {
		case wait:
			keep = append(keep, s)
		case done:
			if !p.release(s) {
				keep = append(keep, s)
			}
		case resendEnded:
			p.resend(s, resentRestart)
		case resendOverdue:
			p.resend(s, resentOverdue)
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
	p.count()
}

type verdict int

const (
	wait verdict = iota
	done
	resendEnded
	resendOverdue
)

// judge says what is to become of a shipment.
func (p *proof) judge(s *shipment, known bool, process string, broke, now time.Time) verdict {
	o := &p.f.o
	missing := s.missing()
	if missing <= s.refused+s.partial { // Tempo has named these: nothing that it took is missing
		p.charge(s, "refused", min(s.refused, missing))
		p.charge(s, "partial_success", s.missing())
		return done
	}
	ran := process != "" && s.process != "" // else it is not known which runs of Tempo these are
	ended := known && ran && s.process != process
	if o.Blocks == nil {
		if !ran {
			ended = broke.After(s.began) && broke.Before(s.acked.Add(o.Settle))
		}
		switch {
		case ended:
			return resendEnded
		case now.Sub(s.acked) < o.Settle || !known: // has it ended?
			return wait
		}
		charged, ok := p.f.said.charges(s.tenant, max(0, missing-s.refused-s.partial), s.acked)
		if !ok && now.Sub(s.acked) < 2*o.Settle {
			return wait // for what it says it discarded
		}
		p.charge(s, "refused", s.refused)
		p.charge(s, "partial_success", s.partial)
		for reason, n := range charged {
			p.charge(s, reason, n)
		}
		return done
	}
	switch {
	case ended:
		return resendEnded
	case !p.isOverdue(s, now):
		return wait
	}
	if discarded := sum(s.discards); discarded+int64(s.refused) >= int64(missing) {
		p.charge(s, "refused", s.refused)
		for reason, n := range s.discards {
			p.charge(s, reason, int(min(n, int64(s.missing()))))
		}
		return done
	}
	return resendOverdue
}

// isOverdue says that a shipment should have been in a block by now. Tempo makes blocks in the order in which it got the
// spans: as long as nothing that was sent later is in one, and it has much to do, it may just be slow, and sending
// again would only give it more to do.
func (p *proof) isOverdue(s *shipment, now time.Time) bool {
	o := &p.f.o
	age := now.Sub(s.acked)
	switch {
	case age < o.ResendAfter:
		return false
	case p.newest.After(s.sent), p.f.digest.held.Load() < cheapBytes:
		return true
	}
	return age > slowFactor*o.ResendAfter
}

// charge counts spans as discarded by Tempo. Which of those that are not proven they are makes no difference.
func (p *proof) charge(s *shipment, reason string, spans int) {
	if spans <= 0 {
		return
	}
	for i := range s.spans {
		if spans == 0 {
			return
		}
		if !s.proven.has(i) {
			s.prove(i)
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

func sum(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}

// release gives a shipment up. False means that it has to be tried again.
func (p *proof) release(s *shipment) bool {
	f := p.f
	if s.entry == "" {
		f.stats.unproven.Add(-int64(s.spans)) // before the spool knows: pending less unproven is what is still to be sent
	}
	if err := s.giveUp(f.o.Spool); err != nil {
		f.stats.trouble(err)
		f.log.Error("the spool cannot give up proven records; trying again", "err", err)
		return false
	}
	f.digest.held.Add(-int64(s.bytes))
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

// releaseRecords gives up those records of a shipment of which each span is proven.
func (p *proof) releaseRecords(s *shipment) {
	positions, spans := s.provenRecords()
	if len(positions) == 0 {
		return
	}
	if err := p.f.o.Spool.Release(positions...); err != nil {
		p.f.stats.trouble(err) // they are sent again
		return
	}
	p.f.stats.proven.Add(int64(spans - s.damaged))
}

func (p *proof) resend(s *shipment, why resentReason) {
	f := p.f
	s.restart()
	if s.entry != "" {
		f.digest.held.Add(-int64(s.bytes))
		f.retries.end(s, false)
		return
	}
	f.stats.resent(why, s.missing())
	if why == resentOverdue {
		s.overdue++
		f.log.Warn("spans that tempo acknowledged did not appear in its blocks; sending them again", "spans", s.missing(), "tenant", s.tenant, "times", s.overdue)
	}
	f.digest.held.Add(-int64(s.bytes))
	f.lanes.again(s, 0)
}

// newBlocks returns the blocks that have become durable.
func (p *proof) newBlocks(ctx context.Context) []Block {
	f := p.f
	blocks, err := f.o.Blocks(ctx)
	if err != nil && ctx.Err() == nil {
		f.stats.trouble(err)
		f.log.Error("tempo's blocks cannot be made durable; what is in them stays in the spool", "err", err)
	}
	return blocks
}

// checkBlocks proves what is in blocks.
func (p *proof) checkBlocks(ctx context.Context, blocks []Block) {
	f := p.f
	for _, b := range blocks {
		if err := p.checkBlock(b, p.unproven); err != nil && ctx.Err() == nil {
			f.stats.trouble(err)
			f.log.Error("a block proves nothing; what is in it is sent again", "err", err)
		}
		f.stats.blocks.Add(1)
	}
	if len(blocks) == 0 {
		p.tokens = nil
	}
}

// checkBlock compares a block with shipments, some of its spans at a time.
func (p *proof) checkBlock(b Block, shipments []*shipment) error {
	var some []*shipment
	now := time.Now().Round(0)
	for _, s := range shipments {
		sent := s.sent
		if sent.Round(0).After(now) {
			sent = time.Time{} // the clock was set back, and files have its time
		}
		if s.missing() > 0 && b.Covers(s.tenant, sent) {
			some = append(some, s)
		}
	}
	if len(some) == 0 {
		return nil
	}
	if p.tokens == nil {
		p.tokens = newTokens(p.f.seed)
	}
	t := p.tokens
	t.clear()
	var failed error
	err := b.Spans(func(traceID, spanID []byte, kind int64) bool {
		t.add(t.token(traceID, spanID, kind))
		if t.n == maxTokens {
			failed = cmp.Or(failed, p.compare(some))
			t.clear()
		}
		return true
	})
	if err == nil && t.n > 0 {
		failed = cmp.Or(failed, p.compare(some))
	}
	return cmp.Or(err, failed)
}

// compare goes on with the others where the disk does not give one, and returns the first error.
func (p *proof) compare(shipments []*shipment) (failed error) {
	t := p.tokens
	for _, s := range shipments {
		if s.missing() == 0 {
			continue
		}
		var err error
		before := s.provenSpans
		p.buf, err = s.check(p.f.o.Spool, p.buf, func(span *otlpwire.Span) bool {
			return t.has(t.token(span.TraceID, span.SpanID, int64(span.Kind)))
		})
		failed = cmp.Or(failed, err)
		if cap(p.buf) > 2*p.f.o.BatchBytes {
			p.buf = nil // of a large record; it would stay that large
		}
		if s.provenSpans > before && s.sent.After(p.newest) {
			p.newest = s.sent
		}
	}
	return failed
}

// recover looks for the oldest records of the spool in the blocks that are there, before anything is sent: an earlier
// run may have ended between a proof and its release.
func (f *Forwarder) recover(ctx context.Context) {
	if f.o.Blocks == nil {
		return
	}
	p := &proof{f: f}
	var pending []*shipment
	open := map[string]*shipment{} // by tenant
	spans := 0
	for info, err := range f.o.Spool.Pending(spool.Position{}) {
		if err != nil || spans >= recoverSpans || ctx.Err() != nil {
			break // what is not looked for is sent again, no more
		}
		s := open[info.Tenant]
		e := spool.Entry{Position: info.Position, Record: spool.Record{Tenant: info.Tenant}}
		if s == nil || !s.fits(e) || s.bytes >= f.o.BatchBytes {
			s = &shipment{sent: info.Time}
			open[info.Tenant] = s
			pending = append(pending, s)
		}
		s.add(info.Position, info.Tenant, info.Spans, info.Bytes)
		spans += info.Spans
	}
	p.unproven = pending
	p.checkBlocks(ctx, p.newBlocks(ctx))
	for _, s := range pending {
		p.releaseRecords(s)
	}
}

// count publishes what is sent and not proven.
func (p *proof) count() {
	var spans int64
	for _, s := range p.unproven {
		if s.entry == "" {
			spans += int64(s.spans)
		}
	}
	p.f.stats.unproven.Store(spans)
}
