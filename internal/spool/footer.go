package spool

import (
	"encoding/json"
	"fmt"

	"appliance/internal/durable"
)

// A sealed segment ends with a footer, so that Open need not read it: a frame
// of its own kind that holds a summary, then a trailer with the frame's length.
const (
	trailerSize  = 8
	trailerMagic = "spft"
	// footerRoom is kept free in each segment for a footer with a few tenants; a
	// larger one extends the file.
	footerRoom = 1 << 10
	maxFooter  = 64 << 20
)

// summary is the footer's payload.
type summary struct {
	Total  Tally  `json:"total"`
	Oldest int64  `json:"oldest_unix_nano"`
	Torn   []torn `json:"torn,omitempty"`
}

// seal writes the footer of g to its file and cuts off what is behind it.
// Everything before g.end must be synced. claim is what is known to have been
// acknowledged, see header.group. It returns the new size.
func seal(f durable.File, g *segment, claim int64) (size int64, err error) {
	payload, err := json.Marshal(summary{g.total, g.oldest, g.torn})
	if err != nil {
		return 0, err
	}
	h := header{
		kind:    kindFooter,
		payload: uint32(len(payload)),
		index:   g.end.index,
		before:  g.end.before,
		group:   uint32(claim),
		sum:     payloadSum(payload),
	}
	b := h.appendTo(nil, g.salt, g.end.offset)
	trailer := append([]byte(trailerMagic), 0, 0, 0, 0)
	order.PutUint32(trailer[len(trailerMagic):], uint32(len(b)+len(payload)))
	size = g.end.offset + int64(len(b)+len(payload)+len(trailer))
	if err := f.WritevAt([][]byte{b, payload, trailer}, g.end.offset); err != nil {
		return 0, fmt.Errorf("write footer of segment %s: %w", g.identity, err)
	}
	if err := f.Truncate(size); err != nil {
		return 0, fmt.Errorf("cut segment %s to %d bytes: %w", g.identity, size, err)
	}
	if err := f.Sync(); err != nil {
		return 0, fmt.Errorf("sync footer of segment %s: %w", g.identity, err)
	}
	return size, nil
}

// readFooter fills g from the footer in its file. It is false when there is
// none that is whole.
func readFooter(f durable.File, g *segment, size int64) (bool, error) {
	if size < segmentHeader+headerSize+trailerSize {
		return false, nil
	}
	w := newWindow(f, headerWindow)
	trailer, err := w.from(size-trailerSize, trailerSize, size)
	if err != nil {
		return false, err
	}
	if len(trailer) < trailerSize || string(trailer[:len(trailerMagic)]) != trailerMagic {
		return false, nil
	}
	length := int64(order.Uint32(trailer[len(trailerMagic):]))
	off := size - trailerSize - length
	if off < segmentHeader || length > maxFooter {
		return false, nil
	}
	b := make([]byte, length)
	if n, err := f.ReadAt(b, off); int64(n) < length {
		return false, err
	}
	h, ok := parseHeader(b, g.salt, off)
	if !ok || h.kind != kindFooter || h.size() != length || payloadSum(b[h.body():]) != h.sum {
		return false, nil
	}
	var s summary
	if err := json.Unmarshal(b[h.body():], &s); err != nil {
		return false, nil //nolint:nilerr // as good as no footer: the segment is read instead
	}
	g.end = mark{off, h.index, h.before}
	g.total, g.oldest, g.torn = s.Total, s.Oldest, s.Torn
	g.sealed = true
	return true, nil
}
