package spool

// PendingBeside says whether spans of any other tenant are pending, without
// reading anything.
func (s *Spool) PendingBeside(tenant string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.segments {
		left := g.left()
		if left > 0 && g.total.Tenants[tenant].Records-g.gone.Tenants[tenant].Records < left {
			return true
		}
	}
	return false
}
