package block

import (
	"context"

	"appliance/internal/otlpwire"
)

// Digest reads all traces and sums up their spans under key. It is equal to that
// of the Builder that wrote the block.
func (b *Block) Digest(ctx context.Context, key uint64) (Digest, error) {
	d := digester{hasher: hasher{key: key}}
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
	hasher
	total         Digest
	json          []byte
	events, links []byte
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
	d.begin(hashResource)
	d.number(attrs)
	d.number(uint64(int32(dropped)))
	return d.sum(), err
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
	d.begin(hashScope)
	d.text(name)
	d.text(version)
	d.number(attrs)
	d.number(uint64(int32(dropped)))
	return d.sum(), err
}

func (d *digester) span(message []byte, resource, scope uint64) error {
	var texts [6][]byte
	var numbers [15]uint64
	var attrs uint64
	var status uint64
	var description []byte
	d.events, d.links = d.events[:0], d.links[:0]
	err := each(message, func(f *otlpwire.Fields) error {
		switch n := f.Tag >> 3; n {
		case 1, 2, 3, 4, 5:
			texts[n] = f.Bytes
		case 9:
			return d.attribute(&attrs, f.Bytes)
		case 11:
			return d.event(f.Bytes, numbers[7])
		case 13:
			return d.link(f.Bytes)
		case 15:
			return each(f.Bytes, func(f *otlpwire.Fields) error {
				if f.Tag>>3 == 2 {
					description = f.Bytes
				} else {
					status = f.Number
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
	d.begin(hashSpan)
	d.buf = append(d.buf, texts[1]...)
	for _, n := range []int{2, 4, 3, 5} { // span id, parent's, trace state, name
		d.text(texts[n])
	}
	d.number(numbers[6])              // kind
	d.number(numbers[7])              // start
	d.number(numbers[8] - numbers[7]) // duration
	d.number(status)
	d.text(description)
	d.number(attrs)
	for _, n := range []int{10, 12, 14} { // dropped attributes, events, links
		d.number(uint64(int32(numbers[n])))
	}
	d.number(uint64(len(d.events) / 8))
	d.buf = append(d.buf, d.events...)
	d.number(uint64(len(d.links) / 8))
	d.buf = append(d.buf, d.links...)
	d.number(resource)
	d.number(scope)
	d.total.add(d.sum())
	return nil
}

func (d *digester) event(message []byte, start uint64) error {
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
	d.begin(hashEvent)
	d.number(time - start)
	d.text(name)
	d.number(attrs)
	d.number(uint64(int32(dropped)))
	d.events = appendHash(d.events, d.sum())
	return err
}

func (d *digester) link(message []byte) error {
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
	d.begin(hashLink)
	for _, text := range texts[1:] {
		d.text(text)
	}
	d.number(attrs)
	d.number(uint64(int32(dropped)))
	d.links = appendHash(d.links, d.sum())
	return err
}

// attribute adds the hash of a KeyValue to a sum.
func (d *digester) attribute(sum *uint64, message []byte) error {
	key, v, err := readKeyValue(message)
	if err != nil {
		return err
	}
	d.begin(hashAttribute)
	d.text(key)
	switch v.kind {
	case anyText, anyBool, anyInt, anyDouble:
		d.byte(valueHashKind[v.kind])
		d.scalar(&v)
	case anyArray:
		if err := d.array(&v); err != nil {
			return err
		}
	default:
		if err := d.unsupported(&v); err != nil {
			return err
		}
	}
	*sum += d.sum()
	return nil
}

func (d *digester) array(v *anyValue) error {
	kind, n, ok, err := v.elementKind()
	if err != nil {
		return err
	}
	if !ok {
		return d.unsupported(v)
	}
	d.byte(valueArray)
	d.byte(valueHashKind[kind])
	d.number(uint64(n))
	return v.elements(func(e anyValue) { d.scalar(&e) })
}

func (d *digester) unsupported(v *anyValue) (err error) {
	if d.json, err = v.appendJSON(d.json[:0], 0); err != nil {
		return err
	}
	d.byte(valueUnsupported)
	d.text(d.json)
	return nil
}
