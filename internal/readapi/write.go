package readapi

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gogo/protobuf/proto"
)

const (
	protobufType = "application/protobuf"
	jsonType     = "application/json"
)

// writeJSON writes a message in protobuf's JSON form.
func (h *Handler) writeJSON(w http.ResponseWriter, r *http.Request, message proto.Message, missing Missing) error {
	var body bytes.Buffer
	var err error
	if waited := h.whenTurn(r, func() { err = appendJSON(&body, message) }); waited != nil {
		return waited
	}
	if err != nil {
		return err
	}
	return writeBody(w, jsonType, body.Bytes(), missing)
}

func writeBody(w http.ResponseWriter, contentType string, body []byte, missing Missing) error {
	markPartial(w, missing)
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, err := w.Write(body)
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

func markPartial(w http.ResponseWriter, missing Missing) {
	if len(missing) > 0 {
		w.Header().Set(PartialHeader, missing.inALine())
	}
}
