package ledger

import (
	"math/rand/v2"
	"strings"
	"testing"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
	"appliance/internal/spool"
)

// Loss that is acknowledged stays in the account, which balances; what is lost
// later is an alarm again.
func TestAcknowledgedLoss(t *testing.T) {
	const file = "/acknowledged.json"
	fsys := crashfs.New()
	st := spool.Status{Released: tally{"a": 50}.of(), Lost: tally{"a": 7}.of()}
	l, err := Open(fsys, path, st)
	must(t, err)
	balance := func(lost int64, kept int64) Account {
		t.Helper()
		st.Lost = tally{"a": lost}.of()
		a := l.Balance(Counts{Kept: kept}, st)
		if a.Kept != a.Pending+a.Proven+sum(a.Discarded)+a.Damaged+a.Unaccounted+a.AcknowledgedLoss || a.Kept != 50+lost+max(0, 57+kept-50-lost) {
			t.Errorf("it does not balance: %+v", a)
		}
		return a
	}
	a := balance(7, 3)
	if a.Damaged != 7 || a.Unaccounted != 3 || a.AcknowledgedLoss != 0 {
		t.Fatalf("%+v", a)
	}
	seen, err := Acknowledge(fsys, file, a)
	must(t, err)
	if seen != (Acknowledged{7, 3}) || seen.Spans() != 10 {
		t.Errorf("acknowledged %+v", seen)
	}
	l.Acknowledge(seen)
	if a := balance(7, 3); a.Damaged != 0 || a.Unaccounted != 0 || a.AcknowledgedLoss != 10 {
		t.Errorf("acknowledged, and %+v", a)
	}
	a = balance(9, 6)
	if a.Damaged != 2 || a.Unaccounted != 1 || a.AcknowledgedLoss != 10 {
		t.Errorf("with more loss %+v", a)
	}
	// Again, which adds; and less than was acknowledged, as when a segment is back.
	seen, err = Acknowledge(fsys, file, a)
	must(t, err)
	l.Acknowledge(seen)
	if a := balance(0, 0); a.Damaged != 0 || a.Unaccounted != 3 || a.AcknowledgedLoss != 4 {
		t.Errorf("with less loss %+v", a)
	}
	// It is durable.
	after := fsys.PowerCut(crashfs.LoseAll, rand.New(rand.NewPCG(0, 0)))
	if got, err := ReadAcknowledged(after, file); err != nil || got != (Acknowledged{9, 4}) {
		t.Errorf("after a power cut %+v, %v", got, err)
	}
	must(t, durable.WriteFile(after, file, []byte("{"), 0o644))
	if _, err := ReadAcknowledged(after, file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("of a damaged file: %v", err)
	}
	if got, err := ReadAcknowledged(after, "/none.json"); err != nil || got.Spans() != 0 {
		t.Errorf("of no file: %+v, %v", got, err)
	}
}
