package spool

import (
	"errors"
	"fmt"
	"time"
)

// write is the writer: the only one who changes segment files.
func (s *Spool) write() {
	defer close(s.stopped)
	want, wait := 0, time.Duration(0)
	var bufs [][]byte
	for {
		waiting := s.queue.take(s.opts.maxGroupBytes, want, wait)
		if waiting == nil {
			break
		}
		want = len(waiting)
		start := time.Now()
		for len(waiting) > 0 {
			n, err := s.place(waiting)
			if err == nil && !waiting[0].probe {
				bufs, err = s.commit(waiting[:n], bufs[:0])
				clear(bufs)
			}
			for _, a := range waiting[:n] {
				a.done <- err
			}
			waiting = waiting[n:]
		}
		s.prepareSpare()
		wait = min(time.Since(start), s.opts.maxGroupWait)
	}
	if s.active != nil {
		s.seal()
	}
	s.dropSpare()
}

// place finds a segment for the first of waiting and for as many of those
// behind it as fit; a probe it finds one for alone. With an error it returns how
// many the error is for.
func (s *Spool) place(waiting []*appender) (n int, err error) {
	s.dropVanished()
	size := waiting[0].size
	if s.active == nil || !s.active.holds(size) {
		if err := s.roll(size); errors.Is(err, ErrFull) {
			return 1, err // a smaller one may fit
		} else if err != nil {
			return len(waiting), err
		}
	}
	if waiting[0].probe {
		return 1, nil
	}
	room := s.active.limit - s.active.end.offset
	for n < len(waiting) && !waiting[n].probe && waiting[n].size <= room {
		room -= waiting[n].size
		n++
	}
	return n, nil
}

// commit writes and syncs waiting, which is a group or a part of one, in the
// active segment. On an error the segment is given up: what it held before
// stays readable, nothing is added to it. bufs is scratch space.
func (s *Spool) commit(waiting []*appender, bufs [][]byte) ([][]byte, error) {
	act := s.active
	at := act.end
	total := Tally{}
	for _, a := range waiting {
		h := header{
			kind:    kindRecord,
			tenant:  a.rec.Tenant,
			payload: uint32(len(a.rec.Payload)),
			index:   at.index,
			spans:   uint32(a.rec.Spans),
			group:   uint32(act.end.offset),
			before:  at.before,
			sum:     a.sum,
		}
		if !a.rec.Time.IsZero() {
			h.time = a.rec.Time.UnixNano()
		}
		a.head = h.appendTo(a.head[:0], act.salt, at.offset)
		a.pos = Position{act.id, at.offset}
		bufs = append(bufs, a.head, a.rec.Payload)
		total.add(h.tenant, h.counts())
		at = mark{at.offset + h.size(), at.index + 1, at.before + uint64(h.spans)}
	}
	if err := act.file.WritevAt(bufs, act.end.offset); err != nil {
		return bufs, s.giveUp(fmt.Errorf("write %d bytes to segment %s: %w", at.offset-act.end.offset, act.identity, err))
	}
	if err := act.file.Sync(); err != nil {
		return bufs, s.giveUp(fmt.Errorf("sync segment %s: %w", act.identity, err))
	}
	s.syncs.Add(1)
	if !act.named {
		if err := s.opts.FS.SyncDir(s.dir); err != nil {
			return bufs, s.giveUp(fmt.Errorf("sync directory %s: %w", s.dir, err))
		}
		act.named = true
	}
	if err := s.inPlace(act.segment); err != nil {
		err = s.giveUp(fmt.Errorf("acknowledge %d records: %w", len(waiting), err))
		s.Look()
		return bufs, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if act.total.Records == 0 && !waiting[0].rec.Time.IsZero() {
		act.oldest = waiting[0].rec.Time.UnixNano()
	}
	act.total.addAll(total)
	act.end = at
	s.appended = s.appended.plus(total.Counts)
	s.wakeReaders()
	return bufs, nil
}
