package live

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"appliance/internal/otlpwire"
	"appliance/internal/spool"
)

// openSpool is a real one, in a directory of the test's own.
func openSpool(t *testing.T) *spool.Spool {
	t.Helper()
	s, err := spool.Open(t.TempDir(), spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func traceID(n uint64) (id [16]byte) {
	binary.BigEndian.PutUint64(id[:], n*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(id[8:], n*0xd6e8feb86659fd93+1)
	return id
}

// request is an OTLP request with one span for each id.
func request(ids ...[16]byte) []byte {
	var scope []byte
	for i, id := range ids {
		span := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), id[:])
		spanID := binary.BigEndian.AppendUint64(nil, uint64(i)+1)
		span = protowire.AppendBytes(protowire.AppendTag(span, 2, protowire.BytesType), spanID)
		scope = protowire.AppendBytes(protowire.AppendTag(scope, 2, protowire.BytesType), span)
	}
	resource := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), scope)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), resource)
}

// add puts a record into the spool and the part.
func add(t *testing.T, s *spool.Spool, p *Part, ids ...[16]byte) spool.Position {
	t.Helper()
	rec := spool.Record{Tenant: p.Tenant(), Spans: len(ids), Payload: request(ids...)}
	at, err := s.Append(rec)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Add(spool.Entry{Position: at, Record: rec}); err != nil {
		t.Fatal(err)
	}
	return at
}

func TestTraceIsFoundInEachOfItsRecords(t *testing.T) {
	s := openSpool(t)
	p := NewPart("a", s)
	wanted := traceID(7)
	add(t, s, p, traceID(1), wanted, traceID(2), wanted)
	add(t, s, p, traceID(3))
	add(t, s, p, wanted)

	data, n, err := p.Trace(context.Background(), wanted, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := slices.Concat(request(wanted), request(wanted)); n != 3 || len(data) <= len(want) {
		t.Errorf("found %d spans in %d bytes, want 3 in more than %d", n, len(data), len(want))
	}
	if _, n, err := p.Trace(context.Background(), traceID(99), nil); n != 0 || err != nil {
		t.Errorf("found %d spans of a trace that is not there, err %v", n, err)
	}
}

func TestSplitKeepsEverything(t *testing.T) {
	s := openSpool(t)
	p := NewPart("a", s)
	for n := range uint64(10) {
		add(t, s, p, traceID(n), traceID(n+100))
	}
	for _, at := range []int{1, 4, 9} {
		first, rest := p.Split(at)
		if got := slices.Concat(first.Positions(), rest.Positions()); !slices.Equal(got, p.Positions()) {
			t.Errorf("split at %d: positions are %v, want %v", at, got, p.Positions())
		}
		if a, b := first.Size(), rest.Size(); a.Records != at || a.Spans+b.Spans != 20 || a.Bytes+b.Bytes != p.Size().Bytes {
			t.Errorf("split at %d: sizes are %+v and %+v", at, a, b)
		}
		for n := range uint64(10) {
			half := first
			if n >= uint64(at) {
				half = rest
			}
			if _, found, err := half.Trace(context.Background(), traceID(n+100), nil); found != 1 || err != nil {
				t.Errorf("split at %d: found trace %d %d times, err %v", at, n, found, err)
			}
		}
	}
}

func TestRecordsThatAreGoneAreNamed(t *testing.T) {
	s, err := spool.Open(t.TempDir(), spool.Options{CheckpointEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	p := NewPart("a", s)
	at := add(t, s, p, traceID(1))
	if err := s.Close(); err != nil { // seals, so that the segment goes with its last record
		t.Fatal(err)
	}
	s2, err := spool.Open(t.TempDir(), spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s2.Close()
	p.records = s2
	for e, err := range p.Records(context.Background(), 0) {
		if !errors.Is(err, spool.ErrGone) || e.Position != at {
			t.Errorf("record %v: %v, want %v with %v", e.Position, err, at, spool.ErrGone)
		}
	}
}

func TestRecordsEndWithTheContext(t *testing.T) {
	s := openSpool(t)
	p := NewPart("a", s)
	for n := range uint64(5) {
		add(t, s, p, traceID(n))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	read := 0
	for _, err := range p.Records(ctx, 0) {
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			break
		}
		read++
		cancel()
	}
	if read != 1 {
		t.Errorf("read %d records, want 1", read)
	}
}

func FuzzAdd(f *testing.F) {
	f.Add(request(traceID(1), traceID(2)))
	f.Add([]byte{0x0a, 0xff})
	f.Fuzz(func(t *testing.T, payload []byte) {
		p := NewPart("a", nil)
		_ = p.Add(spool.Entry{Record: spool.Record{Payload: payload}})
		if p.Size().Records != 1 { // whatever it is, it is not lost
			t.Error("the record is not in the part")
		}
		var want, got []string
		_, err := (&otlpwire.Limits{MaxDepth: otlpwire.StoredDepth}).Walk(payload, func(s *otlpwire.Span) { want = append(want, string(s.TraceID)) })
		if err != nil {
			return // the receiver keeps none such
		}
		if err := TraceIDs(payload, func(id []byte) { got = append(got, string(id)) }); err != nil || !slices.Equal(got, want) {
			t.Errorf("trace ids are %x, not %x: %v", got, want, err)
		}
	})
}
