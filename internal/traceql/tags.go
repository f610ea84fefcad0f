package traceql

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// selection is the filter of a question about tags. Tempo uses a query for it
// only if it is one filter that joins comparisons of scoped fields with &&, and
// answers others as if there were none; so do we.
type selection struct{ plan *plan }

func newSelection(q *Query) (selection, error) {
	if q == nil || q.Spans == nil || len(q.Spans.Stages) != 1 {
		return selection{}, nil
	}
	if _, ok := q.Spans.Stages[0].(*Filter); !ok {
		return selection{}, nil
	}
	p, err := compilePipeline(q.Spans)
	if err != nil {
		return selection{}, err
	}
	if !p.all || len(p.conditions) == 0 {
		return selection{}, nil
	}
	for _, c := range p.conditions {
		if c.pred == nil || unscoped(c.field) {
			return selection{}, nil
		}
	}
	return selection{p}, nil
}

// spans is nil for all.
func (s selection) spans(e *evaluation) (*Bitmap, error) {
	if s.plan == nil {
		return nil, nil
	}
	spans, err := s.plan.lead(e)
	if err != nil {
		return nil, err
	}
	return e.seen(spans)
}

// rows are the rows of a level that belong to the spans; nil for all.
func (e *evaluation) rowsOf(l Level, spans *Bitmap) (*Bitmap, error) {
	if spans == nil || l == LevelSpan {
		return spans, nil
	}
	o, err := e.offsets(l)
	if err != nil {
		return nil, err
	}
	rows := NewBitmap(e.batch.Rows(l))
	if l == LevelEvent || l == LevelLink {
		for s := spans.Next(0); s >= 0; s = spans.Next(s + 1) {
			rows.SetRange(int(o[s]), int(o[s+1]))
		}
		return rows, nil
	}
	for r := range rows.Len() {
		if spans.Any(int(o[r]), int(o[r+1])) {
			rows.Set(r)
		}
	}
	return rows, nil
}

const (
	maxTagBytes = 24 << 20 // of the names of tags, or the values of one, in memory
	tagBytes    = 100      // that each takes besides its text
)

// TagNames collects which attributes there are. It may be used by several
// goroutines, each with a batch of its own.
type TagNames struct {
	selection selection
	scope     Scope
	limit     int

	mu      sync.Mutex
	names   [ScopeInstrumentation + 1]map[string]bool
	bytes   int // of names
	partial Partial
}

// NewTagNames asks for the attributes of a scope, or of all if it is ScopeNone, of
// the spans that a query finds, or of all if it is nil. At most limit are
// collected of each scope; 0 is as many as there is memory for.
func NewTagNames(q *Query, scope Scope, limit int) (*TagNames, error) {
	s, err := newSelection(q)
	t := &TagNames{selection: s, scope: scope, limit: limit}
	for i := range t.names {
		t.names[i] = map[string]bool{}
	}
	if s.plan != nil {
		for f := range wellKnown {
			_ = t.add(f) // Tempo names them whether or not a span has them; they are few
		}
	}
	return t, err
}

// add adds a name where there is room for it.
func (t *TagNames) add(f Field) error {
	names := t.names[f.Scope]
	switch {
	case t.scope != ScopeNone && t.scope != f.Scope, names[f.Name], t.limit > 0 && len(names) >= t.limit:
		return nil
	}
	n := tagBytes + len(f.Name)
	if t.bytes+n > maxTagBytes {
		return fmt.Errorf("%w: the names of tags have more than %d bytes", ErrOverBudget, maxTagBytes)
	}
	t.bytes += n
	names[strings.Clone(f.Name)] = true
	return nil
}

// Add looks at a batch.
func (t *TagNames) Add(ctx context.Context, b Batch) error {
	partial, err := partialFor(t.collect(newEvaluation(ctx, b)))
	if partial != "" {
		t.mu.Lock()
		t.partial = partial
		t.mu.Unlock()
	}
	return err
}

func (t *TagNames) collect(e *evaluation) error {
	spans, err := t.selection.spans(e)
	if err != nil {
		return err
	}
	rows := map[Level]*Bitmap{}
	keysErr := e.batch.Keys(e.ctx, func(f Field) bool {
		if t.scope != ScopeNone && t.scope != f.Scope {
			return true
		}
		t.mu.Lock()
		known := t.names[f.Scope][f.Name]
		t.mu.Unlock()
		if known {
			return true
		}
		l := f.Level()
		if _, ok := rows[l]; !ok && spans != nil {
			if rows[l], err = e.rowsOf(l, spans); err != nil {
				return false
			}
		}
		var has bool
		if has, err = e.keyIn(f, rows[l]); err != nil {
			return false
		}
		if has {
			t.mu.Lock()
			err = t.add(f)
			t.mu.Unlock()
		}
		return err == nil
	})
	return errors.Join(keysErr, err)
}

// keyIn says whether any of the rows has an attribute; nil stands for all rows.
func (e *evaluation) keyIn(f Field, rows *Bitmap) (bool, error) {
	if rows == nil {
		return true, nil
	}
	v, err := e.column(f, nil)
	if err != nil {
		return false, err
	}
	keyed := NewBitmap(rows.Len())
	v.keyed(keyed)
	keyed.And(rows)
	return !keyed.Empty(), nil
}

// Names returns the keys of each scope, ascending, and why they may not be all.
func (t *TagNames) Names() (map[Scope][]string, Partial) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[Scope][]string{}
	for scope, names := range t.names {
		if len(names) > 0 {
			out[Scope(scope)] = slices.Sorted(maps.Keys(names))
		}
	}
	return out, t.partial
}

// TagValues collects which values a field has. It may be used by several
// goroutines, each with a batch of its own.
type TagValues struct {
	selection selection
	fields    []Field
	limit     int

	mu      sync.Mutex
	values  map[Value]bool
	bytes   int // of values
	partial Partial
}

// NewTagValues asks for the values of a field in the spans that a query finds, or
// in all if it is nil. An unscoped attribute is looked for in spans, resources
// and scopes, and as in Tempo the query does not bound it. At most limit values are
// collected; 0, or more than the default of Budget, means that default.
func NewTagValues(q *Query, f Field, limit int) (*TagValues, error) {
	s, err := newSelection(q)
	t := &TagValues{selection: s, fields: []Field{f}, limit: limit, values: map[Value]bool{}}
	if limit == 0 || limit > defaultValues {
		t.limit = defaultValues
	}
	if unscoped(f) {
		t.selection = selection{}
		t.fields = []Field{spanField(f), resourceField(f), {Scope: ScopeInstrumentation, Name: f.Name}}
	}
	return t, err
}

// Add looks at a batch.
func (t *TagValues) Add(ctx context.Context, b Batch) error {
	partial, err := partialFor(t.collect(newEvaluation(ctx, b)))
	if partial != "" {
		t.mu.Lock()
		t.partial = partial
		t.mu.Unlock()
	}
	return err
}

func (t *TagValues) collect(e *evaluation) error {
	spans, err := t.selection.spans(e)
	if err != nil {
		return err
	}
	for _, f := range t.fields {
		v, err := e.column(f, spans)
		if err != nil {
			return err
		}
		rows, err := e.rowsOf(f.Level(), spans)
		if err != nil {
			return err
		}
		parts := v.Parts
		if spans == nil {
			parts = slices.Concat(v.Parts, v.Odd)
		}
		for k := range parts {
			if err := t.part(&parts[k], rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// part adds the values of a part. Each entry of a dictionary is added once.
func (t *TagValues) part(p *Part, rows *Bitmap) error {
	var seen []bool
	if p.Dict != nil {
		seen = make([]bool, len(p.Dict))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, n := 0, p.Len(); i < n; i++ {
		if rows != nil && !rows.Has(int(p.Row(i))) {
			continue
		}
		if seen != nil {
			if seen[p.IDs[i]] {
				continue
			}
			seen[p.IDs[i]] = true
		}
		v := p.Value(i)
		if t.values[v] {
			continue
		}
		if len(t.values) == t.limit {
			return fmt.Errorf("%w: there are more than %d values", ErrOverBudget, t.limit)
		}
		if t.bytes += tagBytes + len(v.Str); t.bytes > maxTagBytes {
			return fmt.Errorf("%w: the values have more than %d bytes", ErrOverBudget, maxTagBytes)
		}
		t.values[v.detached()] = true
	}
	return nil
}

// Values returns the values in no order, and why they may not be all.
func (t *TagValues) Values() ([]Value, Partial) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.values)), t.partial
}
