package otlpwire

import "fmt"

// Limits bounds what one request may hold. A zero field means its default.
// The defaults let any request of up to 16 MiB pass whose spans have ids and
// whose attributes have a key and a value; none of them can be met by accident.
type Limits struct {
	// MaxDepth is how deep the messages of one attribute may nest: two for it
	// and its value, two for each array around another value, three for each
	// list of keys and values. The default of 100, which is 49 arrays or 32
	// lists, is what pdata decodes, and so the Collector. It is also how many
	// groups may nest in one unknown field and, in JSON, how deep the value of
	// an unknown key may.
	MaxDepth int

	// MaxSpans bounds the spans, and also the ResourceSpans and the ScopeSpans,
	// each for itself. The smallest valid span takes 30 bytes, of which
	// 16 MiB hold 559,240. Default 600,000.
	MaxSpans int

	// MaxAttributes bounds what may be repeated inside spans, resources and
	// scopes: attributes, elements of arrays and lists, events, links, entity
	// references and their keys together. The smallest attribute with a key and
	// a value takes 9 bytes, of which 16 MiB hold 1,864,135. Default 2,000,000.
	MaxAttributes int
}

const (
	defaultMaxDepth      = 100
	defaultMaxSpans      = 600_000
	defaultMaxAttributes = 2_000_000
)

// StoredDepth is a MaxDepth for whoever reads what was kept: it takes the 100
// nested arrays and lists that were taken before the default was what it is.
const StoredDepth = attributeDepth + 100*listDepth

func (l *Limits) withDefaults() Limits {
	d := *l
	if d.MaxDepth == 0 {
		d.MaxDepth = defaultMaxDepth
	}
	if d.MaxSpans == 0 {
		d.MaxSpans = defaultMaxSpans
	}
	if d.MaxAttributes == 0 {
		d.MaxAttributes = defaultMaxAttributes
	}
	return d
}

// Counts accounts for every span of a request: Spans = Kept + Dropped + Invalid.
type Counts struct {
	Spans   int
	Kept    int
	Dropped int // by the visitor
	Invalid int // unusable, see Span.Invalid

	FirstInvalid      Invalid // why the first invalid span is invalid
	FirstInvalidIndex int     // its place among the spans of the request, from 0

	Unchanged bool // Filter returned body itself, copying nothing
}

// InvalidMessage says how many spans are invalid and why the first of them is,
// for partial_success.error_message; it is empty when none is.
func (n *Counts) InvalidMessage() string {
	if n.Invalid == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d spans rejected; the first of them, at index %d: %v",
		n.Invalid, n.Spans, n.FirstInvalidIndex, n.FirstInvalid)
}
