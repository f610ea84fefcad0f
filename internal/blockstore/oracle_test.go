package blockstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"appliance/internal/block"
	"appliance/internal/otlpwire"
	"appliance/internal/spool"
)

var background = context.Background()

// oracle makes spans that are all different, knows which were acknowledged, and
// says what is wrong with what is found.
type oracle struct {
	mu     sync.Mutex
	rng    *rand.Rand
	next   uint64
	traces uint64
	acked  map[string]map[uint64]bool // by tenant and span id

	traceIDs map[uint64]uint64 // of spans
}

func newOracle(seed uint64) *oracle {
	return &oracle{rng: rand.New(rand.NewPCG(seed, 1)), traces: 10, acked: map[string]map[uint64]bool{}, traceIDs: map[uint64]uint64{}}
}

// record makes one of a few spans of traces that other records have as well.
func (o *oracle) record(tenant string) (spool.Record, []uint64) {
	return o.spans(tenant, 1+o.rng.IntN(5), func(id uint64) uint64 { return id/100*10 + o.rng.Uint64N(o.traces) })
}

// spans makes a record of n spans, of the traces that are said by their ids.
func (o *oracle) spans(tenant string, n int, traceOf func(id uint64) uint64) (spool.Record, []uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var scope []byte
	var ids []uint64
	for range n {
		o.next++
		trace := traceOf(o.next)
		scope = protowire.AppendBytes(protowire.AppendTag(scope, 2, protowire.BytesType), span(trace, o.next))
		ids = append(ids, o.next)
		o.traceIDs[o.next] = trace
	}
	resource := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), scope)
	payload := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), resource)
	return spool.Record{Tenant: tenant, Spans: len(ids), Time: time.Now(), Payload: payload}, ids
}

func span(trace, id uint64) []byte {
	traceID := binary.BigEndian.AppendUint64(nil, trace*0x9e3779b97f4a7c15+1)
	traceID = binary.BigEndian.AppendUint64(traceID, trace)
	b := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), traceID)
	b = protowire.AppendBytes(protowire.AppendTag(b, 2, protowire.BytesType), binary.BigEndian.AppendUint64(nil, id))
	b = protowire.AppendString(protowire.AppendTag(b, 5, protowire.BytesType), fmt.Sprint("span ", id))
	b = protowire.AppendFixed64(protowire.AppendTag(b, 7, protowire.Fixed64Type), 1_700_000_000_000_000_000+id*1000)
	return protowire.AppendFixed64(protowire.AppendTag(b, 8, protowire.Fixed64Type), 1_700_000_000_000_000_500+id*1000)
}

// append puts a record into the spool, and notes it if it is acknowledged.
func (o *oracle) append(s *spool.Spool, tenant string) error {
	rec, ids := o.record(tenant)
	return o.give(s, rec, ids)
}

// appendTrace is append of n spans of one trace.
func (o *oracle) appendTrace(s *spool.Spool, tenant string, trace uint64, n int) error {
	rec, ids := o.spans(tenant, n, func(uint64) uint64 { return trace })
	return o.give(s, rec, ids)
}

func (o *oracle) give(s *spool.Spool, rec spool.Record, ids []uint64) error {
	if _, err := s.Append(rec); err != nil {
		return err
	}
	o.note(rec.Tenant, ids)
	return nil
}

// note says that spans were acknowledged.
func (o *oracle) note(tenant string, ids []uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.acked[tenant] == nil {
		o.acked[tenant] = map[uint64]bool{}
	}
	for _, id := range ids {
		o.acked[tenant][id] = true
	}
}

// forget says that spans are lost to damage.
func (o *oracle) forget(tenant string, ids []uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		delete(o.acked[tenant], id)
	}
}

// check reads all of a tenant. Spans that were not acknowledged may be there,
// once: the client did not get its answer.
func (o *oracle) check(t testing.TB, s *Store, tenant string) {
	t.Helper()
	found, err := read(s, tenant)
	if err != nil {
		t.Fatalf("tenant %s: %v", tenant, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	missing, double := 0, 0
	for id := range o.acked[tenant] {
		if found[id] == 0 {
			missing++
		}
	}
	for id, n := range found {
		if id > o.next {
			t.Errorf("tenant %s: span %d was invented", tenant, id)
		}
		if n > 1 {
			double++
		}
	}
	if missing > 0 || double > 0 {
		t.Errorf("tenant %s: of %d spans %d are missing, and %d are there more than once", tenant, len(o.acked[tenant]), missing, double)
	}
}

// read counts the spans of a tenant in one view, by their ids.
func read(s *Store, tenant string) (map[uint64]int, error) {
	v := s.View(tenant)
	defer v.Close()
	return readView(s, v)
}

// readView counts the spans of a view, by their ids.
func readView(s *Store, v *View) (map[uint64]int, error) {
	found := map[uint64]int{}
	count := func(data []byte) error {
		_, err := new(otlpwire.Limits).Walk(data, func(sp *otlpwire.Span) {
			id := binary.BigEndian.Uint64(sp.SpanID)
			if string(sp.Name) == fmt.Sprint("span ", id) {
				found[id]++
			}
		})
		return err
	}
	for _, b := range v.Blocks {
		if err := readBlock(s, b, count); err != nil {
			return nil, fmt.Errorf("block %s: %w", b.Meta.BlockID, err)
		}
	}
	for _, p := range v.Live {
		for e, err := range p.Records(background, 0) {
			if err == nil {
				err = count(e.Payload)
			}
			if err != nil {
				return nil, fmt.Errorf("live record %s: %w", e.Position, err)
			}
		}
	}
	return found, nil
}

func readBlock(s *Store, b *Block, count func([]byte) error) error {
	src := s.files(b.Dir)
	defer src.Close()
	r, err := block.Open(background, src, block.Options{})
	if err != nil {
		return err
	}
	for data, err := range r.Traces(background) {
		if err == nil {
			err = count(data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// spansOf counts the spans of a trace.
func spansOf(t testing.TB, data []byte, trace uint64) (n int) {
	t.Helper()
	_, err := new(otlpwire.Limits).Walk(data, func(sp *otlpwire.Span) {
		if binary.BigEndian.Uint64(sp.TraceID[8:]) == trace {
			n++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
