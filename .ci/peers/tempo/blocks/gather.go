package main

import (
	"bytes"
	"context"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/grafana/tempo/pkg/model/trace"
	"github.com/grafana/tempo/pkg/tempopb"
	tracev1 "github.com/grafana/tempo/pkg/tempopb/trace/v1"
	"github.com/grafana/tempo/pkg/util"
	"github.com/grafana/tempo/tempodb/encoding/common"
)

// gathered holds the spans of a block by trace. They wait in a file, so that the
// memory of a measured process is that of Tempo's writer.
type gathered struct {
	file        *os.File
	size        int64
	traces      map[[16]byte][]piece
	spans       int
	first, last uint64 // times, ns
	combine     bool   // spans with one id and kind become one, as in Tempo
}

// piece is what one request had of a trace.
type piece struct{ offset, size int64 }

// gather reads all files. Close the result.
func gather(paths []string, combine bool) (*gathered, error) {
	file, err := os.CreateTemp("", "tempo-blocks-")
	if err != nil {
		return nil, err
	}
	os.Remove(file.Name()) // it goes with the process
	g := &gathered{file: file, traces: map[[16]byte][]piece{}, combine: combine}
	if err := readFiles(paths, g.add); err != nil {
		file.Close()
		return nil, err
	}
	return g, nil
}

func (g *gathered) Close() error { return g.file.Close() }

// add splits a request by trace, as Tempo's distributor does.
func (g *gathered) add(req *tempopb.Trace) error {
	byTrace := map[[16]byte]*tempopb.Trace{}
	for _, rs := range req.ResourceSpans {
		resources := map[[16]byte]*tracev1.ResourceSpans{}
		for _, ss := range rs.ScopeSpans {
			scopes := map[[16]byte]*tracev1.ScopeSpans{}
			for _, span := range ss.Spans {
				id := [16]byte(util.PadTraceIDTo16Bytes(span.TraceId))
				into := scopes[id]
				if into == nil {
					into = &tracev1.ScopeSpans{Scope: ss.Scope, SchemaUrl: ss.SchemaUrl}
					scopes[id] = into
					if resources[id] == nil {
						resources[id] = &tracev1.ResourceSpans{
							Resource: rs.Resource, SchemaUrl: rs.SchemaUrl,
						}
						if byTrace[id] == nil {
							byTrace[id] = &tempopb.Trace{}
						}
						byTrace[id].ResourceSpans = append(byTrace[id].ResourceSpans, resources[id])
					}
					resources[id].ScopeSpans = append(resources[id].ScopeSpans, into)
				}
				into.Spans = append(into.Spans, span)
				g.count(span)
			}
		}
	}
	for id, tr := range byTrace {
		data, err := tr.Marshal()
		if err != nil {
			return err
		}
		if _, err := g.file.WriteAt(data, g.size); err != nil {
			return err
		}
		g.traces[id] = append(g.traces[id], piece{g.size, int64(len(data))})
		g.size += int64(len(data))
	}
	return nil
}

func (g *gathered) count(span *tracev1.Span) {
	g.spans++
	if g.first == 0 || span.StartTimeUnixNano < g.first {
		g.first = span.StartTimeUnixNano
	}
	g.last = max(g.last, span.EndTimeUnixNano)
}

// iterate returns the traces in the order of their ids, as CreateBlock wants them.
func (g *gathered) iterate() common.Iterator {
	ids := slices.SortedFunc(
		maps.Keys(g.traces), func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) },
	)
	return &traceIterator{gathered: g, left: ids}
}

type traceIterator struct {
	*gathered
	left [][16]byte
}

func (i *traceIterator) Next(context.Context) (common.ID, *tempopb.Trace, error) {
	if len(i.left) == 0 {
		return nil, nil, io.EOF
	}
	id := i.left[0]
	i.left = i.left[1:]
	tr, err := i.trace(id)
	return id[:], tr, err
}

func (i *traceIterator) Close() {}

func (g *gathered) trace(id [16]byte) (*tempopb.Trace, error) {
	whole := &tempopb.Trace{}
	combiner := trace.NewCombiner(0, false)
	for _, p := range g.traces[id] {
		data := make([]byte, p.size)
		if _, err := g.file.ReadAt(data, p.offset); err != nil {
			return nil, err
		}
		var part tempopb.Trace
		if err := part.Unmarshal(data); err != nil {
			return nil, err
		}
		if g.combine {
			if _, err := combiner.Consume(&part); err != nil {
				return nil, err
			}
			continue
		}
		whole.ResourceSpans = append(whole.ResourceSpans, part.ResourceSpans...)
	}
	if g.combine {
		whole, _ = combiner.Result()
	}
	return whole, nil
}
