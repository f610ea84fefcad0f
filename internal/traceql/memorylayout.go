package traceql

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// layout writes traces into columns.
type layout struct {
	counts   [LevelLink + 1]int
	offsets  [LevelLink + 1][]uint32
	texts    [intrinsicsEnd]*columnBuilder
	keys     [ScopeInstrumentation + 1]map[string]*columnBuilder
	services [][]Service

	// Dense columns of spans, events, links and traces.
	ints             [intrinsicsEnd][]int64
	spanIDs, parents []byte
	linkTraces       []byte
	linkSpans        []byte
	traceIDs         []byte
}

func newLayout() *layout {
	l := &layout{}
	for i := range l.keys {
		l.keys[i] = map[string]*columnBuilder{}
	}
	return l
}

// key is the column of an attribute.
func (l *layout) key(scope Scope, key []byte) *columnBuilder {
	c, ok := l.keys[scope][string(key)]
	if !ok {
		c = &columnBuilder{}
		l.keys[scope][string(key)] = c
	}
	return c
}

// text is the column of an intrinsic that is a string.
func (l *layout) text(i Intrinsic) *columnBuilder {
	if l.texts[i] == nil {
		l.texts[i] = &columnBuilder{}
	}
	return l.texts[i]
}

func (l *layout) number(i Intrinsic, n int64) { l.ints[i] = append(l.ints[i], n) }

// spanFacts is what of a span its trace's columns are made of.
type spanFacts struct {
	treeSpan
	name, service string
	start, end    uint64
	status        int64
	came          int
}

func (l *layout) trace(t *traceParts) {
	l.open(LevelTrace)
	l.traceIDs = append(l.traceIDs, t.id[:]...)
	spans := t.inOrder()
	facts := make([]spanFacts, len(spans))
	var service string
	for i, s := range spans {
		if i == 0 || s.resourceRank != spans[i-1].resourceRank {
			l.open(LevelResource)
			service = l.resource(s.resource)
		}
		if i == 0 || s.scopeRank != spans[i-1].scopeRank {
			l.open(LevelScope)
			l.scope(s.scope)
		}
		facts[i] = l.span(s.span)
		facts[i].service, facts[i].came = service, s.came
	}
	l.tree(facts)
	l.summary(facts)
}

// open starts a row of a level outside spans.
func (l *layout) open(level Level) {
	l.offsets[level] = append(l.offsets[level], uint32(l.counts[LevelSpan]))
	l.counts[level]++
}

// tree writes the nested sets and numbers of children.
func (l *layout) tree(facts []spanFacts) {
	spans := make([]treeSpan, len(facts))
	children := map[string]int64{}
	for i, f := range facts {
		spans[i] = f.treeSpan
		if f.parent != "" {
			children[f.parent]++
		}
	}
	for i, p := range placeSpans(spans) {
		l.number(IntrinsicNestedSetLeft, int64(p.left))
		l.number(IntrinsicNestedSetRight, int64(p.right))
		l.number(IntrinsicNestedSetParent, int64(p.parent))
		l.number(IntrinsicChildCount, children[facts[i].id])
	}
}

// summary writes the columns of the trace. Its root is the span without a parent
// that came last.
func (l *layout) summary(facts []spanFacts) {
	start, end, root := uint64(math.MaxUint64), uint64(0), -1
	var services []Service
	index := map[string]int{}
	for i, f := range facts {
		end = max(end, f.end)
		if f.start > 0 {
			start = min(start, f.start)
		}
		if f.parent == "" && (root < 0 || f.came > facts[root].came) {
			root = i
		}
		k, ok := index[f.service]
		if !ok {
			k = len(services)
			index[f.service] = k
			services = append(services, Service{Name: f.service})
		}
		services[k].Spans++
		if f.status == statusError {
			services[k].Errors++
		}
	}
	var name, service string
	if root >= 0 {
		name, service = facts[root].name, facts[root].service
	}
	if start == math.MaxUint64 {
		start = 0
	}
	row := uint32(l.counts[LevelTrace] - 1)
	l.text(IntrinsicRootName).addString(row, []byte(name))
	l.text(IntrinsicRootService).addString(row, []byte(service))
	l.number(IntrinsicTraceStart, int64(start))
	l.number(IntrinsicTraceEnd, int64(end))
	l.number(IntrinsicTraceDuration, int64(end-start))
	l.services = append(l.services, services)
}

const statusError = 2

// resource writes the attributes of a resource, and returns its service.name.
func (l *layout) resource(message []byte) string {
	row := uint32(l.counts[LevelResource] - 1)
	var service []byte
	_ = fields(message, func(number protowire.Number, value []byte, _ uint64) error {
		if number == 1 {
			if key, text, ok := stringAttribute(value); ok && string(key) == "service.name" {
				service = text
			} else {
				l.attribute(ScopeResource, row, value)
			}
		}
		return nil
	})
	l.key(ScopeResource, []byte("service.name")).addString(row, service)
	return string(service)
}

func (l *layout) scope(message []byte) {
	row := uint32(l.counts[LevelScope] - 1)
	var name, version []byte
	_ = fields(message, func(number protowire.Number, value []byte, _ uint64) error {
		switch number {
		case 1:
			name = value
		case 2:
			version = value
		case 3:
			l.attribute(ScopeInstrumentation, row, value)
		}
		return nil
	})
	l.text(IntrinsicInstrumentationName).addString(row, name)
	l.text(IntrinsicInstrumentationVersion).addString(row, version)
}

// batch finishes all columns.
func (l *layout) batch() *MemoryBatch {
	b := &MemoryBatch{counts: l.counts, offsets: l.offsets, services: l.services}
	for _, level := range [...]Level{LevelTrace, LevelResource, LevelScope} {
		b.offsets[level] = append(b.offsets[level], uint32(l.counts[LevelSpan]))
	}
	b.offsets[LevelEvent] = append(b.offsets[LevelEvent], uint32(l.counts[LevelEvent]))
	b.offsets[LevelLink] = append(b.offsets[LevelLink], uint32(l.counts[LevelLink]))
	b.columns = map[Field]*Vector{}
	for i, c := range l.texts {
		if f := intrinsic(Intrinsic(i)); c != nil {
			b.columns[f] = c.vector(l.counts[f.Level()])
		}
	}
	for scope, keys := range l.keys {
		for key, c := range keys {
			f := Field{Scope: Scope(scope), Name: key}
			b.columns[f] = c.vector(l.counts[f.Level()])
		}
	}
	for i, values := range l.ints {
		if values == nil {
			continue
		}
		f := intrinsic(Intrinsic(i))
		t := f.Intrinsic.Type()
		if f.Intrinsic >= IntrinsicStart {
			t = TypeInt
		}
		b.columns[f] = &Vector{Parts: []Part{{Type: t, Ints: values}}}
	}
	for i, ids := range map[Intrinsic]Part{
		IntrinsicTraceID:     {Raw: l.traceIDs, Width: 16, Short: true},
		IntrinsicSpanID:      {Raw: l.spanIDs, Width: 8},
		IntrinsicParentID:    {Raw: l.parents, Width: 8},
		IntrinsicLinkTraceID: {Raw: l.linkTraces, Width: 16, Short: true},
		IntrinsicLinkSpanID:  {Raw: l.linkSpans, Width: 8},
	} {
		ids.Type = TypeString
		b.columns[intrinsic(i)] = &Vector{Parts: []Part{ids}}
	}
	return b
}
