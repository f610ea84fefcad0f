package block

import (
	"context"

	"appliance/internal/otlpwire"
)

// Digest reads all traces and sums up their spans under key. It is equal to that
// of the Builder that wrote the block.
func (b *Block) Digest(ctx context.Context, key uint64) (Digest, error) {
	d := digester{key: key}
	for trace, err := range b.Traces(ctx) {
		if err == nil {
			err = d.trace(trace)
		}
		if err != nil {
			return Digest{}, err
		}
	}
	return d.total, nil
}

// digester sums up spans as they are on the wire, where a reader of blocks made
// them: the fields of a span come in ascending order.
type digester struct {
	key   uint64
	total Digest
	json  []byte
}

// each calls visit for each field of a message.
func each(message []byte, visit func(f *otlpwire.Fields) error) error {
	f := otlpwire.NewFields(message)
	for f.Next() {
		if err := visit(&f); err != nil {
			return err
		}
	}
	return f.Err()
}

func (d *digester) trace(data []byte) error {
	return each(data, func(rs *otlpwire.Fields) error {
		var resource uint64
		return each(rs.Bytes, func(f *otlpwire.Fields) (err error) {
			if f.Tag == 1<<3|otlpwire.TagBytes {
				resource, err = d.resource(f.Bytes)
				return err
			}
			return d.scopeSpans(f.Bytes, resource)
		})
	})
}

func (d *digester) resource(message []byte) (uint64, error) {
	var attrs, dropped uint64
	err := each(message, func(f *otlpwire.Fields) error {
		if f.Tag == 1<<3|otlpwire.TagBytes {
			return d.attribute(&attrs, f.Bytes)
		}
		dropped = f.Number
		return nil
	})
	return resourceHash(attrs, uint64(int32(dropped))), err
}

func (d *digester) scopeSpans(message []byte, resource uint64) error {
	var scope uint64
	return each(message, func(f *otlpwire.Fields) (err error) {
		if f.Tag == 1<<3|otlpwire.TagBytes {
			scope, err = d.scope(f.Bytes)
			return err
		}
		return d.span(f.Bytes, resource, scope)
	})
}

func (d *digester) scope(message []byte) (uint64, error) {
	var attrs, dropped uint64
	var name, version []byte
	err := each(message, func(f *otlpwire.Fields) error {
		switch f.Tag >> 3 {
		case 1:
			name = f.Bytes
		case 2:
			version = f.Bytes
		case 3:
			return d.attribute(&attrs, f.Bytes)
		case 4:
			dropped = f.Number
		}
		return nil
	})
	return scopeHash(textHash(name), textHash(version), attrs, uint64(int32(dropped))), err
}

func (d *digester) span(message []byte, resource, scope uint64) error {
	var texts [6][]byte
	var numbers [15]uint64
	var description []byte
	h := spanHash{resource: resource, scope: scope}
	err := each(message, func(f *otlpwire.Fields) error {
		switch n := f.Tag >> 3; n {
		case 1, 2, 3, 4, 5:
			texts[n] = f.Bytes
		case 9:
			return d.attribute(&h.attrs, f.Bytes)
		case 11:
			return d.event(&h.events, f.Bytes, numbers[7])
		case 13:
			return d.link(&h.links, f.Bytes)
		case 15:
			return each(f.Bytes, func(f *otlpwire.Fields) error {
				if f.Tag>>3 == 2 {
					description = f.Bytes
				} else {
					h.status = f.Number
				}
				return nil
			})
		default:
			numbers[n] = f.Number
		}
		return nil
	})
	if err != nil {
		return err
	}
	h.id, h.state, h.parent, h.name = textHash(texts[2]), textHash(texts[3]), textHash(texts[4]), textHash(texts[5])
	h.kind, h.start, h.duration = numbers[6], numbers[7], numbers[8]-numbers[7]
	h.message = textHash(description)
	for i := range h.dropped { // attributes, events, links
		h.dropped[i] = uint64(int32(numbers[10+2*i]))
	}
	d.total.add(h.sum(traceHash(d.key, (*[16]byte)(texts[1]))))
	return nil
}

func (d *digester) event(all *uint64, message []byte, start uint64) error {
	var attrs, time, dropped uint64
	var name []byte
	err := each(message, func(f *otlpwire.Fields) error {
		switch f.Tag >> 3 {
		case 1:
			time = f.Number
		case 2:
			name = f.Bytes
		case 3:
			return d.attribute(&attrs, f.Bytes)
		case 4:
			dropped = f.Number
		}
		return nil
	})
	*all = fold(*all, eventHash(time-start, textHash(name), attrs, uint64(int32(dropped))))
	return err
}

func (d *digester) link(all *uint64, message []byte) error {
	var attrs, dropped uint64
	var texts [4][]byte
	err := each(message, func(f *otlpwire.Fields) error {
		switch n := f.Tag >> 3; n {
		case 1, 2, 3:
			texts[n] = f.Bytes
		case 4:
			return d.attribute(&attrs, f.Bytes)
		case 5:
			dropped = f.Number
		}
		return nil
	})
	hash := linkHash(textHash(texts[1]), textHash(texts[2]), textHash(texts[3]), attrs, uint64(int32(dropped)))
	*all = fold(*all, hash)
	return err
}

// attribute adds the hash of a KeyValue to a sum.
func (d *digester) attribute(sum *uint64, message []byte) error {
	key, v, err := readKeyValue(message)
	if err != nil {
		return err
	}
	hash, err := d.value(textHash(key), &v)
	*sum += hash
	return err
}

// value returns the hash of an attribute.
func (d *digester) value(key uint64, v *anyValue) (uint64, error) {
	switch v.kind {
	case anyText, anyBool, anyInt, anyDouble:
		return foldScalar(fold(hashAttribute, key), v), nil
	case anyArray:
		ok, err := v.hasColumn()
		if err != nil {
			return 0, err
		}
		if ok {
			h := fold(hashArray, key)
			err := v.elements(func(e anyValue) { h = foldScalar(h, &e) })
			return h, err
		}
	}
	var err error
	if d.json, err = v.appendJSON(d.json[:0], 0); err != nil {
		return 0, err
	}
	return foldValue(fold(hashAttribute, key), valueUnsupported, textHash(d.json)), nil
}

// foldScalar takes a value that is not an array into the hash of its attribute.
func foldScalar(h uint64, v *anyValue) uint64 {
	if v.kind == anyText {
		return foldValue(h, valueText, textHash(v.bytes))
	}
	return foldValue(h, valueHashKind[v.kind], uint64(v.number))
}
