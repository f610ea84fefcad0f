package block

import (
	"fmt"
	"math"

	"appliance/internal/block/parquet"
	"appliance/internal/otlpwire"
)

// pageDigester sums up the spans of a pageSet column by column. It gives what a
// digester gives for the same traces on the wire.
type pageDigester struct {
	*pageSet
	key   uint64
	total Digest
	slow  digester // for the values that no column of values can have

	sums    [owners][]uint64 // of the attributes' hashes, for each element
	entries []uint64         // hashes of attributes
	// hashes of resources, scopes, events and links; of spans while they are made
	own    [owners][]uint64
	inner  [2][]uint64 // folded hashes of a span's events and links
	places []place     // of the spans
	wire   []byte
	limits otlpwire.Limits
}

// place is where a span is.
type place struct{ row, resource, scope uint32 }

// page adds the spans of the current pages.
func (d *pageDigester) page() error {
	for o := range owners {
		if err := d.attributes(o); err != nil {
			return err
		}
		d.specials(o)
	}
	d.resources()
	d.scopes()
	d.events()
	d.links()
	return d.spans()
}

// ints are the values of a column of integers.
func (d *pageDigester) ints(r Role) []int64 { return d.values[d.role(r)].Ints }

// textColumn has the hashes of the values of a column of text.
type textColumn struct {
	v      *parquet.Values
	hashes []uint64 // of the dictionary, if there is one
}

func (d *pageDigester) texts(r Role) textColumn {
	i := d.role(r)
	return textColumn{&d.values[i], d.hashes[i]}
}

func (t textColumn) len() int { return max(len(t.v.IDs), t.v.Bytes.Len()) }

func (t textColumn) at(i int) uint64 {
	if len(t.v.IDs) > 0 {
		return t.hashes[t.v.IDs[i]]
	}
	return textHash(t.v.Bytes.At(i))
}

// elements is how many elements an owner has.
func (d *pageDigester) elements(o Owner) int { return d.texts(o.list().driver).len() }

// attributes sums up the hashes of an owner's attributes.
func (d *pageDigester) attributes(o Owner) error {
	d.sums[o] = zeroed(d.sums[o], d.elements(o))
	keys := d.texts(o.Attr(AttrKey))
	n := keys.len()
	if n == 0 {
		return nil
	}
	arrays := d.values[d.role(o.Attr(AttrIsArray))].Bools
	d.entries = zeroed(d.entries, n)
	simple := 0 // attributes with one value
	for i := range n {
		if arrays[i] {
			d.entries[i] = fold(hashArray, keys.at(i))
			simple++
		} else {
			d.entries[i] = fold(hashAttribute, keys.at(i))
		}
	}
	for p := AttrText; p <= AttrBool; p++ {
		m, err := d.attributeValues(o, p, arrays)
		if err != nil {
			return err
		}
		simple += m
	}
	m, err := d.unsupported(o, keys)
	if err != nil {
		return err
	}
	if simple+m < n {
		if err := d.empties(keys, arrays); err != nil {
			return err
		}
	}
	key := keys.v
	level := o.level()
	e, k := -1, 0
	for j, def := range key.Def {
		if key.Rep[j] <= level && def >= level {
			e++
		}
		if def > level {
			d.sums[o][e] += d.entries[k]
			k++
		}
	}
	return nil
}

// attributeValues takes the values of one type into the hashes of the attributes,
// and returns how many are not of arrays.
func (d *pageDigester) attributeValues(o Owner, p Part, arrays []bool) (alone int, err error) {
	i := d.role(o.Attr(p))
	v, column := &d.values[i], &d.schema.Columns[i]
	var count int
	var value func(n int) uint64
	kind := [...]uint64{AttrText: valueText, AttrInt: valueInt, AttrDouble: valueDouble, AttrBool: valueBool}[p]
	switch p {
	case AttrText:
		t := d.texts(o.Attr(p))
		count, value = t.len(), t.at
	case AttrInt:
		count, value = len(v.Ints), func(n int) uint64 { return uint64(v.Ints[n]) }
	case AttrDouble:
		count, value = len(v.Doubles), func(n int) uint64 { return math.Float64bits(v.Doubles[n]) }
	default:
		count, value = len(v.Bools), func(n int) uint64 {
			if v.Bools[n] {
				return 1
			}
			return 0
		}
	}
	if count == 0 {
		return 0, nil
	}
	level := o.level() + 1 // of an attribute
	k, n := -1, 0
	for j, def := range v.Def {
		if v.Rep[j] > level {
			if !arrays[k] {
				return 0, fmt.Errorf("column %s: %w: several values of one attribute", column.Name, ErrDamaged)
			}
		} else if def >= level {
			k++
		}
		if def > level {
			d.entries[k] = foldValue(d.entries[k], kind, value(n))
			n++
			if !arrays[k] {
				alone++
			}
		}
	}
	return alone, nil
}

// unsupported takes the values that are kept as JSON into the hashes.
func (d *pageDigester) unsupported(o Owner, keys textColumn) (count int, err error) {
	i := d.role(o.Attr(AttrUnsupported))
	v := &d.values[i]
	if count = v.Bytes.Len(); count == 0 {
		return 0, nil
	}
	level := o.level() + 1
	k, n := -1, 0
	for _, def := range v.Def {
		if def >= level {
			k++
		}
		if def <= level {
			continue
		}
		if d.entries[k], err = d.jsonHash(keys.at(k), v.Bytes.At(n)); err != nil {
			return 0, fmt.Errorf("column %s: %w: a value of %d bytes: %w", d.schema.Columns[i].Name, ErrDamaged, len(v.Bytes.At(n)), err)
		}
		n++
	}
	return count, nil
}

// jsonHash is the hash of an attribute whose value is written as JSON.
func (d *pageDigester) jsonHash(key uint64, text []byte) (uint64, error) {
	var err error
	if d.wire, err = d.limits.ValueFromJSON(d.wire[:0], text); err != nil {
		return 0, err
	}
	var v anyValue
	if err := v.read(d.wire); err != nil {
		return 0, err
	}
	return d.slow.value(key, &v)
}

// empties gives the attributes without any value the hash of an empty one.
func (d *pageDigester) empties(keys textColumn, arrays []bool) error {
	for k := range d.entries {
		if arrays[k] || d.entries[k] != fold(hashAttribute, keys.at(k)) {
			continue
		}
		var err error
		if d.entries[k], err = d.slow.value(keys.at(k), &anyValue{}); err != nil {
			return err
		}
	}
	return nil
}

// specials adds the attributes that have columns of their own.
func (d *pageDigester) specials(o Owner) {
	for i := range d.owner[o].specials {
		s := &d.owner[o].specials[i]
		v, column := &d.values[s.column], &d.schema.Columns[s.column]
		t := textColumn{v, d.hashes[s.column]}
		if t.len() == 0 && len(v.Ints) == 0 {
			continue
		}
		seed := fold(hashAttribute, textHash(s.key))
		empty := textHash(nil)
		e, n := -1, 0
		for _, def := range v.Def {
			if def >= o.level() {
				e++
			}
			if def < column.MaxDef {
				continue
			}
			if s.number {
				d.sums[o][e] += foldValue(seed, valueInt, uint64(v.Ints[n]))
			} else if hash := t.at(n); hash != empty || !s.empty {
				d.sums[o][e] += foldValue(seed, valueText, hash)
			}
			n++
		}
	}
}

func (d *pageDigester) resources() {
	h := zeroed(d.own[OfResource], d.elements(OfResource))
	dropped := d.ints(ResourceDropped)
	for i := range h {
		h[i] = resourceHash(d.sums[OfResource][i], uint64(dropped[i]))
	}
	d.own[OfResource] = h
}

func (d *pageDigester) scopes() {
	h := zeroed(d.own[OfScope], d.elements(OfScope))
	names, versions, dropped := d.texts(ScopeName), d.texts(ScopeVersion), d.ints(ScopeDropped)
	for i := range h {
		h[i] = scopeHash(names.at(i), versions.at(i), d.sums[OfScope][i], uint64(dropped[i]))
	}
	d.own[OfScope] = h
}

func (d *pageDigester) events() {
	h := zeroed(d.own[OfEvent], d.elements(OfEvent))
	names, times, dropped := d.texts(EventName), d.ints(EventTime), d.ints(EventDropped)
	for i := range h {
		h[i] = eventHash(uint64(times[i]), names.at(i), d.sums[OfEvent][i], uint64(dropped[i]))
	}
	d.own[OfEvent] = h
	d.foldInner(0, OfEvent)
}

func (d *pageDigester) links() {
	h := zeroed(d.own[OfLink], d.elements(OfLink))
	traces, spans, states, dropped := d.texts(LinkTraceID), d.texts(LinkSpanID), d.texts(LinkTraceState), d.ints(LinkDropped)
	for i := range h {
		h[i] = linkHash(traces.at(i), spans.at(i), states.at(i), d.sums[OfLink][i], uint64(dropped[i]))
	}
	d.own[OfLink] = h
	d.foldInner(1, OfLink)
}

// foldInner folds the hashes of each span's events or links.
func (d *pageDigester) foldInner(to int, o Owner) {
	h := zeroed(d.inner[to], d.elements(OfSpan))
	v := &d.values[d.role(o.list().driver)]
	span, n := -1, 0
	for j, def := range v.Def {
		if v.Rep[j] <= repSpan && def >= defSpan {
			span++
		}
		if def == defEvent {
			h[span] = fold(h[span], d.own[o][n])
			n++
		}
	}
	d.inner[to] = h
}

// locate says where each span is.
func (d *pageDigester) locate() {
	d.places = d.places[:0]
	v := &d.values[d.role(SpanID)]
	at := [3]int32{-1, -1, -1} // row, resource, scope
	for j, def := range v.Def {
		for level := v.Rep[j]; level <= min(def, repScope); level++ {
			at[level]++
		}
		if v.Rep[j] == 0 && def == 0 {
			continue
		}
		if def == defSpan {
			d.places = push(nil, d.places, place{uint32(at[0]), uint32(at[1]), uint32(at[2])})
		}
	}
}

// spans folds the columns of the spans in the order of spanHash.
func (d *pageDigester) spans() error {
	d.locate()
	traces, err := d.traces()
	if err != nil {
		return err
	}
	h := zeroed(d.own[OfSpan], len(d.places))
	d.own[OfSpan] = h
	for i := range h {
		h[i] = traces[d.places[i].row]
	}
	for _, r := range [...]Role{SpanID, SpanParentSpanID, SpanTraceState, SpanName} {
		foldTexts(h, d.texts(r))
	}
	for _, r := range [...]Role{SpanKind, SpanStart, SpanDuration, SpanStatusCode} {
		foldInts(h, d.ints(r))
	}
	foldTexts(h, d.texts(SpanStatusMessage))
	for i := range h {
		h[i] = fold(h[i], d.sums[OfSpan][i])
	}
	for _, r := range [...]Role{SpanDropped, SpanDroppedEvents, SpanDroppedLinks} {
		foldInts(h, d.ints(r))
	}
	for i := range h {
		at := &d.places[i]
		v := fold(fold(h[i], d.inner[0][i]), d.inner[1][i])
		d.total.add(fold(fold(v, d.own[OfResource][at.resource]), d.own[OfScope][at.scope]))
	}
	return nil
}

// traces are what the hashes of the spans of each row begin with.
func (d *pageDigester) traces() ([]uint64, error) {
	d.entries = zeroed(d.entries, d.pageSet.rows)
	for i := range d.entries {
		raw := d.text(d.role(TraceID), i)
		var id [16]byte
		if len(raw) > len(id) {
			return nil, fmt.Errorf("%w: an identifier of %d bytes", ErrDamaged, len(raw))
		}
		copy(id[len(id)-len(raw):], raw)
		d.entries[i] = traceHash(d.key, &id)
	}
	return d.entries, nil
}

func foldTexts(h []uint64, t textColumn) {
	if len(t.v.IDs) == len(h) {
		for i, id := range t.v.IDs {
			h[i] = fold(h[i], t.hashes[id])
		}
		return
	}
	for i := range h {
		h[i] = fold(h[i], t.at(i))
	}
}

func foldInts(h []uint64, v []int64) {
	for i := range h {
		h[i] = fold(h[i], uint64(v[i]))
	}
}
