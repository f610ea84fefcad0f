package traceql

import (
	"bytes"
	"cmp"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"appliance/internal/spancopy"
)

// MemoryBuilder makes a batch of OTLP trace requests. Spans of one trace come
// together whatever requests they came in. A span that says the same as an
// earlier one is left out: a client that gets no answer sends its request again.
//
// It takes about as much memory as the requests, which it keeps until Batch.
// The batch keeps nothing of them.
type MemoryBuilder struct {
	traces map[[16]byte]*traceParts
	spans  int
	number int  // of the request
	strict bool // see DropCopies
}

// traceParts are the spans of a trace in the order in which they came.
type traceParts struct {
	id    [16]byte
	spans []spanBytes
}

// spanBytes is where a span is: encoded messages of the request.
type spanBytes struct {
	id                    [8]byte
	request               int
	span, scope, resource []byte
}

// NewMemoryBuilder returns an empty builder.
func NewMemoryBuilder() *MemoryBuilder {
	return &MemoryBuilder{traces: map[[16]byte]*traceParts{}}
}

// NewMemoryBatch makes a batch of encoded ExportTraceServiceRequests.
func NewMemoryBatch(requests ...[]byte) (*MemoryBatch, error) {
	b := NewMemoryBuilder()
	for _, r := range requests {
		if err := b.Append(r); err != nil {
			return nil, err
		}
	}
	return b.Batch(), nil
}

// DropCopies makes the builder leave out copies within one request too, as a
// block does.
func (b *MemoryBuilder) DropCopies() { b.strict, b.number = true, -1 }

// Spans is the number of spans so far, copies included.
func (b *MemoryBuilder) Spans() int { return b.spans }

// TakeRepeated removes the traces in which a span id is there again, and returns
// their identifiers, ascending and of 16 bytes each. Only those may have copies.
func (b *MemoryBuilder) TakeRepeated() (ids []byte) {
	var again [][16]byte
	seen := map[[8]byte]bool{}
	for id, t := range b.traces {
		clear(seen)
		for i := range t.spans {
			seen[t.spans[i].id] = true
		}
		if len(seen) < len(t.spans) {
			again = append(again, id)
			b.spans -= len(t.spans)
			delete(b.traces, id)
		}
	}
	slices.SortFunc(again, func(x, y [16]byte) int { return bytes.Compare(x[:], y[:]) })
	for _, id := range again {
		ids = append(ids, id[:]...)
	}
	return ids
}

// Append adds the spans of an encoded ExportTraceServiceRequest, which must not
// be changed until Batch was called. The error is that of bytes which are not
// protobuf; the spans before them are added.
func (b *MemoryBuilder) Append(request []byte) error {
	if !b.strict {
		b.number++
	}
	return fields(request, func(number protowire.Number, value []byte, _ uint64) error {
		if number != 1 {
			return nil
		}
		return b.resourceSpans(value)
	})
}

func (b *MemoryBuilder) resourceSpans(message []byte) error {
	var resource []byte
	err := fields(message, func(number protowire.Number, value []byte, _ uint64) error {
		if number == 1 {
			resource = value
		}
		return nil
	})
	if err != nil {
		return err
	}
	return fields(message, func(number protowire.Number, value []byte, _ uint64) error {
		if number != 2 {
			return nil
		}
		return b.scopeSpans(resource, value)
	})
}

func (b *MemoryBuilder) scopeSpans(resource, message []byte) error {
	var scope []byte
	err := fields(message, func(number protowire.Number, value []byte, _ uint64) error {
		if number == 1 {
			scope = value
		}
		return nil
	})
	if err != nil {
		return err
	}
	return fields(message, func(number protowire.Number, value []byte, _ uint64) error {
		if number == 2 {
			b.add(spanBytes{request: b.number, span: value, scope: scope, resource: resource})
		}
		return nil
	})
}

// add leaves out a span without a trace id, which the receiver refuses.
func (b *MemoryBuilder) add(s spanBytes) {
	var id [16]byte
	_ = fields(s.span, func(number protowire.Number, value []byte, _ uint64) error {
		switch number {
		case 1:
			copy(id[:], value)
		case 2:
			copy(s.id[:], value)
		}
		return nil
	})
	if id == [16]byte{} {
		return
	}
	t := b.traces[id]
	if t == nil {
		t = &traceParts{id: id}
		b.traces[id] = t
	}
	t.spans = append(t.spans, s)
	b.spans++
}

// fields calls yield with each field of a message: the bytes of a
// length-delimited one, or the number of another.
func fields(message []byte, yield func(protowire.Number, []byte, uint64) error) error {
	for len(message) > 0 {
		number, wire, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		var (
			value []byte
			bits  uint64
		)
		switch wire {
		case protowire.BytesType:
			value, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			bits, n = protowire.ConsumeVarint(message)
		case protowire.Fixed64Type:
			bits, n = protowire.ConsumeFixed64(message)
		default:
			n = protowire.ConsumeFieldValue(number, wire, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if err := yield(number, value, bits); err != nil {
			return err
		}
	}
	return nil
}

// Batch lays the spans out in columns: traces by id, within a trace resources,
// scopes and spans in the order in which they came. The builder is empty
// afterwards.
func (b *MemoryBuilder) Batch() *MemoryBatch {
	traces := make([]*traceParts, 0, len(b.traces))
	for _, t := range b.traces {
		traces = append(traces, t)
	}
	b.traces, b.spans = map[[16]byte]*traceParts{}, 0
	slices.SortFunc(traces, func(x, y *traceParts) int { return bytes.Compare(x.id[:], y.id[:]) })
	l := newLayout()
	for _, t := range traces {
		l.trace(t)
	}
	return l.batch()
}

// inOrder returns the trace's spans without copies, by resource and scope, and
// for each its number in the order in which they came.
func (t *traceParts) inOrder() []orderedSpan {
	resources, scopes := map[string]int{}, map[string]int{}
	seen := copies{first: make(map[[8]byte]int, len(t.spans))}
	out := make([]orderedSpan, 0, len(t.spans))
	var last orderedSpan
	for i, s := range t.spans {
		if seen.copied(t.spans, i) {
			continue
		}
		o := orderedSpan{s, last.resourceRank, last.scopeRank, i}
		if len(out) == 0 || !same(s.resource, last.resource) || !same(s.scope, last.scope) {
			o.resourceRank = rank(resources, string(s.resource))
			o.scopeRank = rank(scopes, string(s.resource)+"\x00"+string(s.scope))
		}
		out, last = append(out, o), o
	}
	slices.SortStableFunc(out, func(a, b orderedSpan) int {
		return cmp.Or(cmp.Compare(a.resourceRank, b.resourceRank), cmp.Compare(a.scopeRank, b.scopeRank))
	})
	return out
}

// copies finds the spans that say the same as earlier ones.
type copies struct {
	first map[[8]byte]int // span of an id
	keys  map[string]int  // the request of the first span that says something
}

// copied says whether span i says the same as an earlier one. Keys are made
// only where an id is there again.
func (c *copies) copied(spans []spanBytes, i int) bool {
	s := &spans[i]
	first, again := c.first[s.id]
	if !again {
		c.first[s.id] = i
		return false
	}
	if c.keys == nil {
		c.keys = map[string]int{}
	}
	if first >= 0 {
		c.keys[spans[first].key()] = spans[first].request
		c.first[s.id] = -1
	}
	key := s.key()
	request, known := c.keys[key]
	if !known {
		c.keys[key] = s.request
	}
	return known && (request < s.request || s.request < 0)
}

// key is equal for spans that say the same.
func (s *spanBytes) key() string {
	return string(spancopy.AppendKey(nil, s.span, s.scope, s.resource))
}

// same says whether two slices are the same memory.
func same(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

type orderedSpan struct {
	spanBytes
	resourceRank, scopeRank, came int
}

func rank(ranks map[string]int, key string) int {
	r, ok := ranks[key]
	if !ok {
		r = len(ranks)
		ranks[key] = r
	}
	return r
}
