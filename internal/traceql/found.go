package traceql

import (
	"fmt"
	"slices"
	"strings"
)

// traceInfo has the columns of traces that every search needs.
type traceInfo struct{ start, end []int64 }

func (t *traceInfo) duration(trace int) int64 { return t.end[trace] - t.start[trace] }

func (e *evaluation) traceInfo() (*traceInfo, error) {
	start, err := e.numbers(IntrinsicTraceStart)
	if err != nil {
		return nil, err
	}
	end, err := e.numbers(IntrinsicTraceEnd)
	return &traceInfo{start, end}, err
}

// numbers is a column in which every row has a number.
func (e *evaluation) numbers(i Intrinsic) ([]int64, error) {
	v, err := e.column(intrinsic(i), nil)
	if err != nil {
		return nil, err
	}
	rows := e.batch.Rows(intrinsic(i).Level())
	if len(v.Parts) == 0 && rows == 0 {
		return nil, nil
	}
	if len(v.Parts) != 1 || v.Parts[0].Rows != nil || len(v.Parts[0].Ints) != rows {
		return nil, fmt.Errorf("read column %d of a batch: not a number in each of %d rows", i, rows)
	}
	return v.Parts[0].Ints, nil
}

// build makes the answer's form of a trace.
func (s *Search) build(e *evaluation, info *traceInfo, h hit) (*FoundTrace, error) {
	t := &FoundTrace{Start: h.start, Duration: info.duration(h.trace)}
	first, err := e.firstSpan(h.trace)
	if err != nil {
		return nil, err
	}
	if err := e.identifier(IntrinsicTraceID, h.trace, t.ID[:]); err != nil {
		return nil, err
	}
	t.RootName = single(e.reader.values(intrinsic(IntrinsicRootName), first, nil)).Str
	t.RootService = single(e.reader.values(intrinsic(IntrinsicRootService), first, nil)).Str
	if t.Services, err = e.batch.Services(e.ctx, h.trace, e.narrow); err != nil {
		return nil, err
	}
	for _, set := range h.sets {
		found := FoundSpanSet{Matched: len(set.spans), Attributes: set.attrs}
		n := len(set.spans)
		if s.opts.SpansPerSet > 0 {
			n = min(n, s.opts.SpansPerSet)
		}
		for _, i := range set.spans[:n] {
			span, err := s.plan.shownSpan(e, int(i))
			if err != nil {
				return nil, err
			}
			found.Spans = append(found.Spans, span)
		}
		t.SpanSets = append(t.SpanSets, found)
	}
	return t, e.reader.err
}

// detach copies the texts, which else keep the dictionaries of a batch in memory.
func (t *FoundTrace) detach() {
	t.RootName, t.RootService = strings.Clone(t.RootName), strings.Clone(t.RootService)
	t.Services = slices.Clone(t.Services) // a batch may have them for others too
	for i := range t.Services {
		t.Services[i].Name = strings.Clone(t.Services[i].Name)
	}
	for i := range t.SpanSets {
		t.SpanSets[i].Attributes = detachedAll(t.SpanSets[i].Attributes)
		for k := range t.SpanSets[i].Spans {
			span := &t.SpanSets[i].Spans[k]
			span.Name = strings.Clone(span.Name)
			span.Attributes = detachedAll(span.Attributes)
		}
	}
}

func detachedAll(attrs []NamedValue) []NamedValue {
	attrs = slices.Clone(attrs)
	for i := range attrs {
		attrs[i].Value = slices.Clone(attrs[i].Value)
		for k, v := range attrs[i].Value {
			attrs[i].Value[k] = v.detached()
		}
	}
	return attrs
}

// weight is how much memory the trace takes, about, also while it is written.
func (t *FoundTrace) weight() int64 {
	const ofTrace, ofService, ofSet, ofSpan = 400, 100, 100, 200
	n := ofTrace + len(t.RootName) + len(t.RootService) + ofService*len(t.Services)
	for i := range t.SpanSets {
		n += ofSet + weightOf(t.SpanSets[i].Attributes)
		for k := range t.SpanSets[i].Spans {
			span := &t.SpanSets[i].Spans[k]
			n += ofSpan + len(span.Name) + weightOf(span.Attributes)
		}
	}
	return int64(n)
}

func weightOf(attrs []NamedValue) (n int) {
	const ofAttribute, ofValue = 50, 50
	for i := range attrs {
		n += ofAttribute + len(attrs[i].Name) // a by() has its text, as the query has it
		for k := range attrs[i].Value {
			n += ofValue + len(attrs[i].Value[k].Str)
		}
	}
	return n
}

func (e *evaluation) firstSpan(trace int) (int, error) {
	o, err := e.offsets(LevelTrace)
	if err != nil {
		return 0, err
	}
	return int(o[trace]), nil
}

// identifier copies the identifier of a row to id.
func (e *evaluation) identifier(i Intrinsic, row int, id []byte) error {
	v, err := e.column(intrinsic(i), nil)
	if err != nil {
		return err
	}
	if len(v.Parts) != 1 || v.Parts[0].Width != len(id) {
		return fmt.Errorf("read column %d of a batch: not identifiers", i)
	}
	at, ok := v.Parts[0].At(row)
	if !ok {
		return fmt.Errorf("read column %d of a batch: no identifier in row %d", i, row)
	}
	copy(id, v.Parts[0].raw(at))
	return nil
}

// number is the number that a column has in a row.
func (e *evaluation) number(i Intrinsic, row int) (int64, error) {
	v, err := e.column(intrinsic(i), nil)
	if err != nil {
		return 0, err
	}
	if len(v.Parts) != 1 {
		return 0, fmt.Errorf("read column %d of a batch: not numbers", i)
	}
	at, ok := v.Parts[0].At(row)
	if !ok {
		return 0, fmt.Errorf("read column %d of a batch: no number in row %d", i, row)
	}
	return v.Parts[0].Ints[at], nil
}

// hiddenFields are not returned with a span, though a query asks about them: they
// are the trace's, or stand in the answer anyway.
func hiddenField(f Field) bool {
	switch f.Intrinsic {
	case IntrinsicDuration, IntrinsicTraceDuration, IntrinsicRootName, IntrinsicRootService,
		IntrinsicTraceID, IntrinsicSpanID:
		return true
	default:
		return false
	}
}

// shownSpan makes the answer's form of a span.
func (p *plan) shownSpan(e *evaluation, span int) (FoundSpan, error) {
	var out FoundSpan
	if err := e.identifier(IntrinsicSpanID, span, out.ID[:]); err != nil {
		return out, err
	}
	start, err := e.number(IntrinsicStart, span)
	if err != nil {
		return out, err
	}
	duration, err := e.number(IntrinsicDuration, span)
	if err != nil {
		return out, err
	}
	out.Start, out.Duration = uint64(start), uint64(duration)
	for _, s := range p.shown {
		if hiddenField(s.field) {
			continue
		}
		values := s.values(e, span)
		switch {
		case len(values) == 0:
		case s.field.Intrinsic == IntrinsicName:
			out.Name, out.HasName = values[0].Str, true
		case s.field.Intrinsic != IntrinsicNone:
			out.Attributes = append(out.Attributes, NamedValue{s.field.String(), values})
		default:
			out.Attributes = append(out.Attributes, NamedValue{s.field.Name, values})
		}
	}
	return out, nil
}

// values are those that the query asks about, of events and links the last.
func (s shownField) values(e *evaluation, span int) []Value {
	var kept []Value
	if m, ok := e.matched[s.field]; ok && len(s.preds) == 1 && s.preds[0].same(m.p) {
		for _, v := range m.v.Append(nil, uint32(span)) {
			if m.p.Match(v) {
				kept = append(kept, v)
			}
		}
		if len(kept) > 0 {
			return kept
		}
	}
	for _, v := range e.reader.all(s.field, span, nil) {
		if len(s.preds) == 0 || s.match(v) {
			kept = append(kept, v)
		}
	}
	if len(kept) == 0 && s.odd() {
		for _, v := range e.reader.odd(s.field, span) {
			if s.match(v) {
				kept = append(kept, v)
			}
		}
	}
	if level := s.field.Level(); len(kept) > 1 && (level == LevelEvent || level == LevelLink) {
		kept = kept[len(kept)-1:]
	}
	return kept
}

func (s shownField) match(v Value) bool {
	for _, p := range s.preds {
		if p.Match(v) {
			return true
		}
	}
	return false
}

func (s shownField) odd() bool {
	for _, p := range s.preds {
		if p.seesOdd {
			return true
		}
	}
	return false
}
