package archive

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A backlog that takes long to copy does not keep the archiver from looking at the source.
func TestBacklogDoesNotStopLooking(t *testing.T) {
	t.Parallel()
	src := levelZeroDir(t)
	elsewhere(t, src, func(t *testing.T, p *appliance) {
		var order []string
		p.startElsewhere(func(o *Options) {
			o.Store = &faultyStore{p.store, func(op, name string) error {
				if op == "put" && strings.HasSuffix(name, dataName) {
					order = append(order, name)
					timer := time.NewTimer(40 * time.Minute) // that long each block takes
					<-timer.C
				}
				return nil
			}}
		})
		s := p.after(90 * time.Minute)
		if s.ArchivedBlocks != 2 || s.PendingBlocks != 1 || s.LastScan.Before(p.wall().Add(-45*time.Minute)) || !s.LastSuccess.IsZero() {
			t.Errorf("%+v at %s", s, p.wall())
		}
		if s := p.after(time.Hour); s.ArchivedBlocks != 3 || s.LastSuccess.IsZero() || len(order) != 3 {
			t.Errorf("%+v, %v", s, order)
		}
	})
}

// A block that cannot be copied does not hold up the others, however long it takes to fail.
func TestFailingBlockComesLast(t *testing.T) {
	t.Parallel()
	src := levelZeroDir(t)
	elsewhere(t, src, func(t *testing.T, p *appliance) {
		var first string
		p.startElsewhere(func(o *Options) {
			o.Store = &faultyStore{p.store, func(op, name string) error {
				if op != "put" || !strings.HasSuffix(name, dataName) {
					return nil
				}
				if first == "" {
					first = name
				}
				if name == first {
					timer := time.NewTimer(5 * time.Minute)
					<-timer.C
					return fmt.Errorf("cannot put %s", filepath.Base(name))
				}
				return nil
			}}
		})
		if s := p.after(time.Hour); s.ArchivedBlocks != 2 || s.PendingBlocks != 1 || s.Failures[CauseStore] < 5 {
			t.Errorf("%+v", s)
		}
	})
}
