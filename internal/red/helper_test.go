package red

import (
	"encoding/binary"
	"testing"
	"time"

	"appliance/internal/durable"
	"appliance/internal/otlpwire"
)

// open opens a meter in a directory of its own.
func open(t testing.TB, change func(*Options)) *Meter {
	t.Helper()
	o := Options{Dir: t.TempDir(), FS: durable.OS, MaxSeries: 1000, PairWait: 10 * time.Second}
	if change != nil {
		change(&o)
	}
	m, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// again opens what another run has left.
func again(t testing.TB, m *Meter) *Meter {
	t.Helper()
	return open(t, func(o *Options) { o.Dir, o.MaxSeries = m.dir, m.maxSeries })
}

// span makes one of a trace; parent 0: none.
func span(service, name string, kind int32, trace, id, parent uint64) *otlpwire.Span {
	text := func(n uint64, size int) []byte {
		return binary.LittleEndian.AppendUint64(make([]byte, size-8), n)
	}
	s := &otlpwire.Span{Service: []byte(service), Name: []byte(name), Kind: kind, TraceID: text(trace, 16), SpanID: text(id, 8), StartTime: 1e18, EndTime: 1e18 + 50e6, Bytes: 100}
	if parent != 0 {
		s.ParentSpanID = text(parent, 8)
	}
	return s
}

// commit counts spans as one request.
func commit(m *Meter, spans ...*otlpwire.Span) {
	t := m.Tally("")
	for _, s := range spans {
		t.Add(s, false)
	}
	t.Commit()
}

// view is what is shown of a meter: all that it has counted.
func view(m *Meter) *View {
	m.changed.Store(true) // also by waits that a test ended
	_ = m.Save()          // some tests have a disk that takes nothing
	return m.View()
}

// calls sums up the calls of all series.
func calls(m *Meter) (n uint64) {
	view(m).Series(func(s *Series) { n += s.Latency.Count() })
	return n
}
