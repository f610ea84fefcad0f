package readapi

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/gogo/protobuf/jsonpb"
	"github.com/gogo/protobuf/proto"
)

// listChunk is how much of an answer is put together before it is sent.
const listChunk = 1 << 20

// writeList writes a message in protobuf's JSON form whose first field is a list.
// It makes one item after the other, so that a long answer is never in memory as a
// whole: item writes one. rest is the message without the list.
func (h *Handler) writeList(
	w http.ResponseWriter, r *http.Request, field string, items int, item func(*jsonWriter, int),
	rest proto.Message, missing Missing,
) error {
	var body jsonWriter
	began := false
	body.b = fmt.Appendf(nil, `{"%s":[`, field)
	for done := 0; done < items; {
		if err := h.whenTurn(r, func() { done = appendItems(&body, done, items, item) }); err != nil {
			return err
		}
		if done == items {
			break
		}
		if !began {
			began = true
			markPartial(w, missing)
			w.Header().Set("Content-Type", jsonType)
		}
		if _, err := w.Write(body.b); err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
		body.b = body.b[:0]
	}
	var tail bytes.Buffer
	if err := appendJSON(&tail, rest); err != nil {
		return err
	}
	body.b = append(body.b, ']')
	if tail.Len() > len("{}") {
		body.b = append(body.b, ',')
	}
	body.b = append(body.b, tail.Bytes()[1:]...)
	if !began {
		return writeBody(w, jsonType, body.b, missing)
	}
	if _, err := w.Write(body.b); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// appendItems appends items from the first on, until there are enough for a chunk.
func appendItems(body *jsonWriter, first, items int, item func(*jsonWriter, int)) (next int) {
	for i := first; i < items; i++ {
		if i > 0 {
			body.b = append(body.b, ',')
		}
		if item(body, i); len(body.b) >= listChunk {
			return i + 1
		}
	}
	return items
}

// appendJSON appends a message in protobuf's JSON form.
func appendJSON(body *bytes.Buffer, m proto.Message) error {
	if err := new(jsonpb.Marshaler).Marshal(body, m); err != nil {
		return fmt.Errorf("encode the answer as JSON: %w", err)
	}
	return nil
}
