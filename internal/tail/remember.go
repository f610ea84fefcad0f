package tail

import "time"

// mark is how many verdicts there were at a time.
type mark struct {
	at time.Time
	to uint64
}

// age forgets the verdicts that are too old, or too many.
func (l *Line) age(now time.Time) {
	if n := len(l.marks); n == 0 || now.Sub(l.marks[n-1].at) > time.Second {
		l.marks = append(l.marks, mark{at: now})
	}
	l.marks[len(l.marks)-1].to = l.late.next
	for ; l.stale < len(l.marks) && now.Sub(l.marks[l.stale].at) > l.o.Remember; l.stale++ {
		l.fresh = l.marks[l.stale].to
	}
	// What was late when it came finds its verdict when it passes.
	came := now
	if len(l.groups) > 0 {
		came = l.groups[0].began
	}
	for l.stale > 0 && came.Sub(l.marks[0].at) > l.o.Remember {
		l.late.dropTo(l.marks[0].to)
		l.marks = l.marks[1:]
		l.stale--
	}
	if n := l.late.len() - l.o.MaxTraces; n > 0 {
		l.late.dropTo(l.late.first + uint64(n))
		l.counts.addForgotten(int64(n))
	}
}
