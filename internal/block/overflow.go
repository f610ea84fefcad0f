package block

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"
)

// overflow puts spans that do not fit into a block back into records.
type overflow struct {
	give            func(record []byte) error
	resource, scope []byte
	spans           []byte // of the record that is being made, as fields of ScopeSpans
	record          []byte
}

// overflowRecord is how many bytes of spans a record has, about.
const overflowRecord = 256 << 10

func (o *overflow) reset() { o.resource, o.scope, o.spans = nil, nil, o.spans[:0] }

// add adds a span.
func (o *overflow) add(resource, scope, span []byte) error {
	if len(o.spans) > overflowRecord || !bytes.Equal(o.resource, resource) || !bytes.Equal(o.scope, scope) {
		if err := o.flush(); err != nil {
			return err
		}
		o.resource, o.scope = append(o.resource[:0], resource...), append(o.scope[:0], scope...)
	}
	o.spans = appendField(o.spans, 2, span)
	return nil
}

// flush gives away the record that is being made.
func (o *overflow) flush() error {
	if len(o.spans) == 0 {
		return nil
	}
	scopeSpans := append(appendField(nil, 1, o.scope), o.spans...)
	resourceSpans := appendField(appendField(nil, 1, o.resource), 2, scopeSpans)
	o.record = appendField(o.record[:0], 1, resourceSpans)
	o.spans = o.spans[:0]
	return o.give(o.record)
}

func appendField(dst []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, number, protowire.BytesType), value)
}
