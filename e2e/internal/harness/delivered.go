package harness

import (
	"fmt"
	"testing"
	"time"
)

// Delivered waits until Tempo, or what stands for it, has acknowledged every
// span that is in the spool; the appliance says so up to a second late. It is
// for a time at which nobody sends.
func (a *Appliance) Delivered(t testing.TB, within time.Duration) {
	t.Helper()
	Eventually(t, within, "everything delivered", func() error {
		s, err := a.Status(t.Context())
		if err != nil {
			return err
		}
		if waiting := s.Ledger.Pending - s.Forwarder.UnprovenSpans; waiting > 0 {
			return fmt.Errorf("%d spans are not acknowledged yet: %+v", waiting, s)
		}
		return nil
	})
}

// Account reads the ledger, and fails the test when it does not balance.
func (a *Appliance) Account(t testing.TB) Ledger {
	t.Helper()
	s, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ledger.Balanced(); err != nil {
		t.Error(err)
	}
	return s.Ledger
}

// Rejections is the sum over the reasons.
func (l Ledger) Rejections() int64 { return sum(l.Rejected) }
