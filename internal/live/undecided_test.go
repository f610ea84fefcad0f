package live

import (
	"context"
	"errors"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"appliance/internal/spool"
)

// held is a record that may be undecided.
type held struct {
	entry     spool.Entry
	undecided bool
}

func (h *held) ReadAt(pos spool.Position, _ []byte) (spool.Entry, error) {
	if pos != h.entry.Position {
		return spool.Entry{}, errors.New("another record")
	}
	e := h.entry
	e.Undecided = h.undecided
	return e, nil
}

func marks(t *testing.T, b []byte) (marked, resources int) {
	t.Helper()
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range td.ResourceSpans().Len() {
		r := td.ResourceSpans().At(i).Resource()
		resources++
		if v, ok := r.Attributes().Get(UndecidedKey); ok && v.Bool() {
			marked++
		}
		if name, ok := r.Attributes().Get("service.name"); ok && name.Str() != "shop" {
			t.Errorf("service.name is %q", name.Str())
		}
	}
	return marked, resources
}

func TestUndecidedSpansAreMarked(t *testing.T) {
	td := ptrace.NewTraces()
	id := traceID(7)
	for i := range 3 { // one without a resource
		rs := td.ResourceSpans().AppendEmpty()
		if i > 0 {
			rs.Resource().Attributes().PutStr("service.name", "shop")
		}
		s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		s.SetTraceID(id)
		s.SetSpanID([8]byte{byte(i + 1)})
	}
	payload, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	h := &held{entry: spool.Entry{Position: spool.Position{Segment: 1, Offset: 64}, Record: spool.Record{Tenant: "a", Spans: 3, Payload: payload}}}
	p := NewPart("a", h)
	if err := p.Add(h.entry); err != nil {
		t.Fatal(err)
	}
	for _, undecided := range []bool{true, false} {
		h.undecided = undecided
		want := map[bool]int{true: 3}[undecided]
		found, n, err := p.Trace(context.Background(), id, nil)
		if err != nil || n != 3 {
			t.Fatalf("found %d spans, %v", n, err)
		}
		if m, all := marks(t, found); m != want || all != 3 {
			t.Errorf("undecided %v: %d of %d resources of the trace are marked, want %d of 3", undecided, m, all, want)
		}
		for e, err := range p.Records(context.Background(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			if m, all := marks(t, e.Payload); m != want || all != 3 {
				t.Errorf("undecided %v: %d of %d resources of the record are marked, want %d of 3", undecided, m, all, want)
			}
		}
	}
}

func FuzzMarked(f *testing.F) {
	f.Add(request(traceID(1), traceID(2)))
	f.Add([]byte{0x0a, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		var u ptrace.ProtoUnmarshaler
		if _, err := u.UnmarshalTraces(b); err != nil {
			marked(b) // must end
			return
		}
		if _, err := u.UnmarshalTraces(marked(b)); err != nil {
			t.Errorf("%x is not a request any more when it is marked: %v", b, err)
		}
	})
}
