package spool

// SegmentName is the name of a segment, without its suffix. It is random in
// part, so that no other spool has one of that name.
func (s *Spool) SegmentName(id uint64) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.find(id)
	if !ok {
		return "", false
	}
	return g.String(), true
}
