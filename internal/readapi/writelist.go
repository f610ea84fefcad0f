package readapi

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"

	"github.com/gogo/protobuf/jsonpb"
	"github.com/gogo/protobuf/proto"
)

// listChunk is how much of an answer is put together before it is sent.
const listChunk = 1 << 20

// writeList writes a message in protobuf's JSON form whose first field is a list.
// It makes one item after the other, so that a long answer is never in memory as a
// whole: item appends one. rest is the message without the list.
func (h *Handler) writeList(
	w http.ResponseWriter, r *http.Request, field string, items int, item func(*bytes.Buffer, int) error,
	rest proto.Message, missing Missing,
) error {
	var body bytes.Buffer
	began := false
	fmt.Fprintf(&body, `{"%s":[`, field)
	for done := 0; done < items; {
		var err error
		waited := h.later(r.Context(), func() { done, err = appendItems(&body, done, items, item) })
		if err := cmp.Or(waited, err); err != nil {
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
		if _, err := w.Write(body.Bytes()); err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
		body.Reset()
	}
	body.WriteString("]")
	brace := body.Len()
	if err := appendJSON(&body, rest); err != nil {
		return err
	}
	if tail := body.Bytes()[brace:]; string(tail) == "{}" {
		body.Truncate(brace)
		body.WriteByte('}')
	} else {
		tail[0] = ','
	}
	if !began {
		return writeBody(w, jsonType, body.Bytes(), missing)
	}
	if _, err := w.Write(body.Bytes()); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// appendItems appends items from the first on, until there are enough for a chunk.
func appendItems(body *bytes.Buffer, first, items int, item func(*bytes.Buffer, int) error) (next int, err error) {
	for i := first; i < items; i++ {
		if i > 0 {
			body.WriteByte(',')
		}
		if err := item(body, i); err != nil {
			return i, err
		}
		if body.Len() >= listChunk {
			return i + 1, nil
		}
	}
	return items, nil
}

// appendJSON appends a message in protobuf's JSON form.
func appendJSON(body *bytes.Buffer, m proto.Message) error {
	if err := new(jsonpb.Marshaler).Marshal(body, m); err != nil {
		return fmt.Errorf("encode the answer as JSON: %w", err)
	}
	return nil
}
