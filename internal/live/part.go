package live

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
	"time"
	"unsafe"

	"appliance/internal/otlpwire"
	"appliance/internal/spool"
)

// Records is where the bytes of a record are: the spool.
type Records interface {
	ReadAt(pos spool.Position, buf []byte) (spool.Entry, error)
}

// Part is the records of one tenant that will be in one block, in the order in
// which they were acknowledged. All methods may be called at the same time.
type Part struct {
	tenant  string
	records Records

	mu      sync.RWMutex
	entries []entry
	hashes  []uint32 // of trace ids, in the order of entries
	spans   int
	bytes   int64
	oldest  time.Time
}

// entry is one record.
type entry struct {
	position spool.Position
	hashes   int // end of its hashes
	spans    int
	bytes    int64
}

// NewPart returns an empty Part whose bytes are in records.
func NewPart(tenant string, records Records) *Part {
	return &Part{tenant: tenant, records: records}
}

// Tenant is whose spans they are.
func (p *Part) Tenant() string { return p.tenant }

// Add takes in a record. Spans without a valid trace id are found by Records
// alone; the receiver keeps none of them.
func (p *Part) Add(e spool.Entry) error {
	var ids []uint32
	last := uint32(0)
	err := TraceIDs(e.Payload, func(id []byte) {
		if h := hash(id); len(ids) == 0 || h != last {
			last = h
			ids = append(ids, h)
		}
	})
	slices.Sort(ids)
	ids = slices.Compact(ids)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hashes = append(p.hashes, ids...)
	p.entries = append(p.entries, entry{e.Position, len(p.hashes), e.Spans, int64(len(e.Payload))})
	p.spans += e.Spans
	p.bytes += int64(len(e.Payload))
	if p.oldest.IsZero() {
		p.oldest = time.Now()
	}
	if err != nil {
		return fmt.Errorf("read the trace ids of record %s: %w", e.Position, err)
	}
	return nil
}

// hash is enough of an id to tell most others apart; they are random.
func hash(id []byte) uint32 {
	if len(id) != 16 {
		return 0
	}
	return binary.LittleEndian.Uint32(id[12:]) ^ binary.LittleEndian.Uint32(id[4:])
}

// Size is how much is in a Part.
type Size struct {
	Records, Spans int
	Bytes          int64     // of payloads
	Oldest         time.Time // when its first record was added, zero if there is none
	Memory         int64     // bytes that the Part takes, which are those of its halves
}

const (
	entryMemory = int64(unsafe.Sizeof(entry{}))
	hashMemory  = int64(unsafe.Sizeof(uint32(0)))
)

// Size is how much is in it now.
func (p *Part) Size() Size {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return Size{
		Records: len(p.entries), Spans: p.spans, Bytes: p.bytes, Oldest: p.oldest,
		Memory: entryMemory*int64(len(p.entries)) + hashMemory*int64(len(p.hashes)),
	}
}

// Positions are those of its records, in order.
func (p *Part) Positions() []spool.Position {
	p.mu.RLock()
	defer p.mu.RUnlock()
	out := make([]spool.Position, len(p.entries))
	for i, e := range p.entries {
		out[i] = e.position
	}
	return out
}

// Last is the position of its last record; the zero Position if there is none.
func (p *Part) Last() spool.Position {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if len(p.entries) == 0 {
		return spool.Position{}
	}
	return p.entries[len(p.entries)-1].position
}

// Records yields the records from the nth on, 0 for all, also those that are
// added meanwhile. A payload is valid until the next one is asked for. The
// error is that of the spool, with the record's position; what follows is
// yielded after it. Spans on which tail sampling has not decided are marked:
// UndecidedKey.
func (p *Part) Records(ctx context.Context, from int) iter.Seq2[spool.Entry, error] {
	return func(yield func(spool.Entry, error) bool) {
		var buf []byte
		for i := from; ; i++ {
			if err := ctx.Err(); err != nil {
				yield(spool.Entry{}, err)
				return
			}
			p.mu.RLock()
			if i >= len(p.entries) {
				p.mu.RUnlock()
				return
			}
			at := p.entries[i].position
			p.mu.RUnlock()
			e, err := p.records.ReadAt(at, buf)
			if err != nil {
				e.Position = at
				err = fmt.Errorf("read record %s: %w", at, err)
			} else {
				buf = e.Payload[:0]
				if e.Undecided {
					e.Payload = marked(e.Payload)
				}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// Trace appends the spans of a trace that are here to dst, as the bytes of an
// OTLP TracesData, and says how many they are.
func (p *Part) Trace(ctx context.Context, id [16]byte, dst []byte) ([]byte, int, error) {
	return p.TraceIn(ctx, id, 0, math.MaxInt, dst)
}

// TraceIn is Trace for the records from the from-th up to the to-th.
func (p *Part) TraceIn(ctx context.Context, id [16]byte, from, to int, dst []byte) ([]byte, int, error) {
	found := 0
	var buf []byte
	for _, at := range p.having(hash(id[:]), from, to) {
		if err := ctx.Err(); err != nil {
			return dst, found, err
		}
		e, err := p.records.ReadAt(at, buf)
		if err != nil {
			return dst, found, fmt.Errorf("read record %s: %w", at, err)
		}
		buf = e.Payload[:0]
		// Not into dst: Filter returns its input where it keeps all.
		only, n, err := (&otlpwire.Limits{MaxDepth: otlpwire.StoredDepth}).Filter(nil, e.Payload, func(s *otlpwire.Span) otlpwire.Verdict {
			return otlpwire.Verdict{Keep: string(s.TraceID) == string(id[:])}
		})
		if err != nil {
			return dst, found, fmt.Errorf("read the spans of record %s: %w", at, err)
		}
		if n.Kept > 0 {
			if e.Undecided {
				only = marked(only)
			}
			dst = append(dst, only...)
			found += n.Kept
		}
	}
	return dst, found, nil
}

// having returns the positions of records that may have a trace whose id has
// this hash, of those from first up to last.
func (p *Part) having(h uint32, first, last int) (found []spool.Position) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	last = min(last, len(p.entries))
	if first >= last {
		return nil
	}
	from := 0
	if first > 0 {
		from = p.entries[first-1].hashes
	}
	for _, e := range p.entries[first:last] {
		if slices.Contains(p.hashes[from:e.hashes], h) {
			found = append(found, e.position)
		}
		from = e.hashes
	}
	return found
}

// Split returns two Parts that have the first n records and the others.
func (p *Part) Split(n int) (first, rest *Part) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	at := p.entries[n-1].hashes
	first, rest = NewPart(p.tenant, p.records), NewPart(p.tenant, p.records)
	first.oldest, rest.oldest = p.oldest, p.oldest
	first.hashes = slices.Clone(p.hashes[:at])
	rest.hashes = slices.Clone(p.hashes[at:])
	first.entries = slices.Clone(p.entries[:n])
	for _, e := range p.entries[n:] {
		e.hashes -= at
		rest.entries = append(rest.entries, e)
	}
	for _, half := range []*Part{first, rest} {
		for _, e := range half.entries {
			half.spans += e.spans
			half.bytes += e.bytes
		}
	}
	return first, rest
}
