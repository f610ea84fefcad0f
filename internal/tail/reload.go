package tail

import (
	"fmt"
	"reflect"
	"slices"
)

// Reload has a running Line take over other settings. Traces that are open are
// decided by the new rules, on all their spans; verdicts stay as they are. If the
// rules cannot be used, nothing changes, and the error names each of them.
func (l *Line) Reload(s Settings) error {
	if _, err := compile(s.Rules, l.o.Threshold); err != nil {
		return fmt.Errorf("read tail.rules: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = &s
	if l.interrupt != nil {
		l.interrupt()
	}
	return nil
}

// takeOver takes over what Reload has left.
func (l *Line) takeOver() {
	l.mu.Lock()
	s := l.next
	l.next = nil
	l.mu.Unlock()
	if s == nil {
		return
	}
	if reflect.DeepEqual(l.o.Rules, s.Rules) {
		l.o.Settings = *s
		return
	}
	if l.unsaved != nil && l.save() != nil { // once the disk takes verdicts again
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.next == nil {
			l.next = s
		}
		return
	}
	rs, err := compile(s.Rules, l.o.Threshold)
	if err != nil { // Reload has compiled them
		l.trouble("new rules cannot be used", err)
		return
	}
	l.o.Settings = *s
	// What is open is read again, and comes when it came.
	l.rules, l.earlier = rs, slices.Concat(l.groups, l.earlier)
	l.forget()
	l.counts.again()
	l.head.Close()
	l.head = l.o.Spool.ReaderFrom(l.gate)
}
