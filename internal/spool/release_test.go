package spool

import "testing"

// A record that is released twice counts once, before a checkpoint and after it.
func TestReleaseTwice(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	var at []Position
	for n := range 3 {
		pos, err := s.Append(numbered(n))
		must(t, err)
		at = append(at, pos)
	}
	must(t, s.Release(at[1], at[1]))
	must(t, s.Release(at[1], at[0], at[0]))
	must(t, s.saveState())
	must(t, s.Release(at[0], at[1]))
	st := s.Status()
	if st.Released.Records != 2 || st.Pending.Records != 1 || st.Pending.Spans != int64(numbered(2).Spans) {
		t.Errorf("released %+v, pending %+v; two of three records were released", st.Released, st.Pending)
	}
}
