package otlpwire

// Fields reads the fields of one protobuf message in the order of its bytes,
// for those who want more of a span than Span has. What it reads are views of
// the message.
type Fields struct {
	Tag    uint32 // field number << 3 | wire type
	Bytes  []byte // the value of a length-delimited field, else nil
	Number uint64 // the value of a varint, fixed64 or fixed32 field
	Start  int    // where the field begins in the message, its tag included
	End    int    // where it ends

	wire wire
	pos  int
}

// Tags of fields, by their number and the kind of their value.
const (
	TagVarint  = wireVarint
	TagFixed64 = wireFixed64
	TagBytes   = wireBytes
	TagFixed32 = wireFixed32
)

// NewFields begins to read a message.
func NewFields(message []byte) Fields {
	return Fields{wire: wire{b: message, maxDepth: defaultMaxDepth}}
}

// Next reads the next field. It returns false at the end of the message, and
// where it is malformed, which Err tells.
func (f *Fields) Next() bool {
	b, end := f.wire.b, len(f.wire.b)
	if f.pos >= end {
		return false
	}
	tag, from, to := plainField(b, f.pos, end)
	if tag != 0 {
		f.Tag, f.Bytes, f.Start, f.End, f.pos = tag, b[from:to:to], f.pos, to, to
		return true
	}
	tag, from, to = f.wire.field(f.pos, end)
	if to < 0 {
		f.pos = end
		return false
	}
	f.Tag, f.Bytes, f.Start, f.End, f.pos = tag, nil, f.pos, to, to
	switch tag & 7 {
	case wireVarint:
		f.Number = f.wire.number(from, to)
	case wireFixed64:
		f.Number = f.wire.fixed64(from)
	case wireBytes:
		f.Bytes = b[from:to:to]
	case wireFixed32:
		f.Number = uint64(f.wire.fixed32(from))
	}
	return true
}

// Offset is where in the message the next field begins.
func (f *Fields) Offset() int { return f.pos }

// Err is why Next returned false before the end of the message; it wraps
// ErrMalformed or ErrTooDeep.
func (f *Fields) Err() error {
	if f.wire.err == nil {
		return nil
	}
	return f.wire.err
}
