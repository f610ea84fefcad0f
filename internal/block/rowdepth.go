package block

import (
	"fmt"

	"appliance/internal/otlpwire"
)

// message is a kind of OTLP's messages that may have others in them, by the tag of
// their field.
type message map[uint32]message

// maxNested is what an attribute may have, within a link in the list of them.
const maxNested = otlpwire.StoredDepth + 2

// Messages that vParquet3 keeps as they are: the value of an event's attribute, and
// the links of a span.
var eventValue, spanLinks = storedMessages()

func storedMessages() (value, links message) {
	field := func(n uint32) uint32 { return n<<3 | otlpwire.TagBytes }
	value = message{}
	keyValue := message{field(2): value}
	value[field(5)] = message{field(1): value}    // ArrayValue
	value[field(6)] = message{field(1): keyValue} // KeyValueList
	link := message{field(4): keyValue}
	return value, message{field(1): link}
}

// check fails where bytes are not fields of a message, or where messages nest deeper
// than any that is stored: decoders go down on a stack, of which a forged block must
// not take all.
func (m message) check(b []byte, depth int) error {
	if depth > maxNested {
		return fmt.Errorf("messages nest more than %d deep", maxNested)
	}
	f := otlpwire.NewFields(b)
	for f.Next() {
		if inner := m[f.Tag]; inner != nil {
			if err := inner.check(f.Bytes, depth+1); err != nil {
				return err
			}
		}
	}
	return f.Err()
}
