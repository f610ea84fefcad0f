package spool

import "slices"

// TryRoom says whether a record with a payload of n bytes would find room now:
// nil, or the error that its Append would return. It makes room as Append does,
// a segment if one is needed, and keeps nothing.
func (s *Spool) TryRoom(n int) error {
	a := s.appender(Record{})
	a.size += int64(n)
	a.probe = true
	err := s.queue.push(a)
	if err == nil {
		err = <-a.done
	}
	s.recycle(a)
	return err
}

// Fill is how many bytes of MaxBytes hold records, and MaxBytes. Space that is
// only prepared for more does not count.
func (s *Spool) Fill() (used, most int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range slices.Concat(s.doomed, s.segments) {
		if g.sealed {
			used += g.size
		} else {
			used += g.end.offset
		}
	}
	return used, s.opts.MaxBytes
}

// Held is how many bytes of the disk the spool takes, what it has prepared for
// more included.
func (s *Spool) Held() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}
