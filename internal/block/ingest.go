package block

import (
	"fmt"

	"appliance/internal/otlpwire"
)

// deprecatedScopeSpans is field 1000 of ResourceSpans: ScopeSpans by their name
// of before 2022.
const deprecatedScopeSpans = 1000<<3 | otlpwire.TagBytes

// ingest takes the spans of records apart and gives them to a sorter.
type ingest struct {
	resources, scopes *interner
	compactor         compactor
	sorter            *sorter
	lost              Lost
	spans             int64

	found  []found
	frames []byte // of those that were found
}

func newIngest(digestKey uint64) ingest {
	return ingest{
		resources: newInterner(), scopes: newInterner(),
		compactor: compactor{key: digestKey, words: newVocabulary(), patterns: newPatterns()},
	}
}

// found is a span of the current record: a frame that refers to its resource and
// scope, and has the span in the compact form, if it is plain.
type found struct {
	id       [16]byte
	from, to int  // of frames
	schema   bool // its resource or scope has a schema URL
}

// record adds all spans of an ExportTraceServiceRequest, or none and an error.
// After an error of the sorter nothing is certain.
func (g *ingest) record(record []byte) error {
	g.found, g.frames = g.found[:0], g.frames[:0]
	f := otlpwire.NewFields(record)
	for f.Next() {
		if f.Tag == 1<<3|otlpwire.TagBytes {
			if err := g.resourceSpans(f.Bytes); err != nil {
				return fmt.Errorf("take a record of %d bytes apart: %w", len(record), err)
			}
		}
	}
	if err := f.Err(); err != nil {
		return fmt.Errorf("take a record of %d bytes apart: %w", len(record), err)
	}
	return nil
}

// commit gives what record found to the sorter.
func (g *ingest) commit() error {
	for i := range g.found {
		s := &g.found[i]
		arena, err := g.sorter.room(s.to - s.from)
		if err != nil {
			return err
		}
		g.sorter.add(s.id, append(arena, g.frames[s.from:s.to]...))
		g.spans++
		if s.schema {
			g.lost.Schemas++
		}
	}
	return nil
}

// readHead reads what a ResourceSpans or a ScopeSpans says of all its spans. That may
// come behind them, and in several pieces, which make one message.
func readHead(message []byte) (raw []byte, schema bool, err error) {
	f := otlpwire.NewFields(message)
	pieces := 0
	for f.Next() {
		switch f.Tag {
		case 1<<3 | otlpwire.TagBytes:
			if pieces++; pieces == 1 {
				raw = f.Bytes
			} else {
				raw = append(raw[:len(raw):len(raw)], f.Bytes...)
			}
		case 3<<3 | otlpwire.TagBytes:
			schema = len(f.Bytes) > 0
		}
	}
	return raw, schema, f.Err()
}

func (g *ingest) resourceSpans(message []byte) error {
	resource, schema, err := readHead(message)
	if err != nil {
		return err
	}
	ref := g.resources.refer(resource)
	f := otlpwire.NewFields(message)
	for f.Next() {
		if f.Tag == 2<<3|otlpwire.TagBytes || f.Tag == deprecatedScopeSpans {
			if err := g.scopeSpans(f.Bytes, ref, resource, schema); err != nil {
				return err
			}
		}
	}
	return f.Err()
}

func (g *ingest) scopeSpans(message []byte, resourceRef uint32, resource []byte, schema bool) error {
	scope, own, err := readHead(message)
	if err != nil {
		return err
	}
	scopeRef := g.scopes.refer(scope)
	f := otlpwire.NewFields(message)
	for f.Next() {
		if f.Tag != 2<<3|otlpwire.TagBytes {
			continue
		}
		from := len(g.frames)
		g.frames = appendReference(g.frames, resourceRef, resource)
		g.frames = appendReference(g.frames, scopeRef, scope)
		var id [16]byte
		var ok bool
		if g.frames, id, ok = g.compactor.append(g.frames, f.Bytes); !ok {
			if id, err = traceID(f.Bytes); err != nil {
				return err
			}
			g.frames = append(g.frames, f.Bytes...)
		}
		g.found = append(g.found, found{id, from, len(g.frames), schema || own})
	}
	return f.Err()
}

// traceID returns the trace id of a span. A short one stands for one that
// begins with zeros.
func traceID(span []byte) (id [16]byte, err error) {
	var raw []byte
	f := otlpwire.NewFields(span)
	for f.Next() {
		if f.Tag == 1<<3|otlpwire.TagBytes {
			raw = f.Bytes
		}
	}
	if err := f.Err(); err != nil {
		return id, fmt.Errorf("read a span of %d bytes: %w", len(span), err)
	}
	if len(raw) == 0 || len(raw) > len(id) {
		return id, fmt.Errorf("%w: its trace id has %d bytes, not 1 to %d", ErrSpan, len(raw), len(id))
	}
	copy(id[len(id)-len(raw):], raw)
	return id, nil
}
