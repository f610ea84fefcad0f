package oracle

import "encoding/hex"

// Sent is a trace that has spans which were answered 200.
type Sent struct {
	ID      string // 32 hexadecimal digits
	Service string
	Acked   int // spans answered 200
	Tried   int // spans sent at least once
}

// Sent lists the traces that a search has to find. No load may be running.
func (o *Oracle) Sent() []Sent {
	var all []Sent
	traces, _ := o.traces()
	for i, rec := range traces {
		number := uint64(i) + 1
		id := o.f.traceID(number)
		s := Sent{ID: hex.EncodeToString(id[:]), Service: o.f.service(number), Tried: len(rec.acked)}
		for _, acked := range rec.acked {
			if acked {
				s.Acked++
			}
		}
		if s.Acked > 0 {
			all = append(all, s)
		}
	}
	return all
}
