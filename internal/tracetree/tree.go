// Package tracetree sorts the spans of a trace by parents and finds its
// critical path.
//
// It promises that each span is in the tree once, whatever the parents say:
// circles are cut, and spans whose parent is not there stand apart (Orphans).
package tracetree

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/grafana/tempo/pkg/tempopb"
	common "github.com/grafana/tempo/pkg/tempopb/common/v1"
	resource "github.com/grafana/tempo/pkg/tempopb/resource/v1"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

// Node is a span of a Tree.
type Node struct {
	*trace.Span
	Service  string // service.name of its resource
	Resource *resource.Resource
	Scope    *common.InstrumentationScope
	Parent   *Node // nil where it is not in the trace
	Children []*Node
	// Critical is the time in nanoseconds in which the trace waited for this span
	// and for none below it. 0: it is not on the critical path.
	Critical uint64

	walk int // that cutCircles met it in
}

// Duration of the span in nanoseconds, 0 where it ends before it starts.
func (n *Node) Duration() uint64 {
	if n.EndTimeUnixNano < n.StartTimeUnixNano {
		return 0
	}
	return n.EndTimeUnixNano - n.StartTimeUnixNano
}

// Failed says that the span's status is an error.
func (n *Node) Failed() bool { return n.Status.GetCode() == trace.Status_STATUS_CODE_ERROR }

// Tree is a trace by parents.
type Tree struct {
	Spans    int
	Services int
	Began    uint64 // of the first span, Unix nanoseconds
	Ended    uint64
	Roots    []*Node
	Orphans  []Orphans
}

// Orphans are the spans whose parent is not in the trace.
type Orphans struct {
	Parent string // in hexadecimal
	Spans  []*Node
}

// Grow sorts the spans of a trace by parents, and those of a parent by start.
func Grow(t *tempopb.Trace) *Tree {
	tree := &Tree{}
	all := nodes(t)
	services := map[string]bool{}
	byID := map[string][]*Node{}
	for i, n := range all {
		if i == 0 {
			tree.Began = n.StartTimeUnixNano
		}
		tree.Ended = max(tree.Ended, n.EndTimeUnixNano)
		services[n.Service] = true
		byID[string(n.SpanId)] = append(byID[string(n.SpanId)], n)
	}
	tree.Spans, tree.Services = len(all), len(services)
	for _, n := range all {
		n.Parent = n.parentIn(byID)
	}
	cutCircles(all)
	missing := map[string]int{}
	for _, n := range all {
		switch key := string(n.ParentSpanId); {
		case n.Parent != nil:
			n.Parent.Children = append(n.Parent.Children, n)
		case strings.Trim(key, "\x00") == "" || len(byID[key]) > 0:
			// the latter was cut out of a circle
			tree.Roots = append(tree.Roots, n)
		default:
			i, ok := missing[key]
			if !ok {
				i = len(tree.Orphans)
				missing[key] = i
				tree.Orphans = append(tree.Orphans, Orphans{Parent: hex.EncodeToString(n.ParentSpanId)})
			}
			tree.Orphans[i].Spans = append(tree.Orphans[i].Spans, n)
		}
	}
	return tree
}

// nodes are the spans of a trace by start.
func nodes(t *tempopb.Trace) []*Node {
	var all []*Node
	for _, rs := range t.GetResourceSpans() {
		service := ""
		for _, kv := range rs.GetResource().GetAttributes() {
			if kv.Key == "service.name" {
				service = kv.Value.GetStringValue()
			}
		}
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				all = append(all, &Node{Span: s, Service: service, Resource: rs.Resource, Scope: ss.Scope})
			}
		}
	}
	slices.SortStableFunc(all, func(x, y *Node) int {
		return cmp.Or(cmp.Compare(x.StartTimeUnixNano, y.StartTimeUnixNano),
			slices.Compare(x.SpanId, y.SpanId))
	})
	return all
}

// cutCircles takes its parent from one span of each circle of parents, so that
// every span hangs from some root.
func cutCircles(all []*Node) {
	for i, n := range all {
		m := n
		for ; m != nil && m.walk == 0; m = m.Parent {
			m.walk = i + 1
		}
		if m != nil && m.walk == i+1 {
			m.Parent = nil
		}
	}
}

// parentIn is the span that n stands under. Where a client and a server span
// share an id, as Zipkin's do, the server span stands under the client's, and
// what names the id as its parent under the server's.
func (n *Node) parentIn(byID map[string][]*Node) *Node {
	if n.Kind == trace.Span_SPAN_KIND_SERVER {
		for _, twin := range byID[string(n.SpanId)] {
			if twin.Kind == trace.Span_SPAN_KIND_CLIENT {
				return twin
			}
		}
	}
	var parent *Node
	for _, p := range byID[string(n.ParentSpanId)] {
		if p != n && (parent == nil || p.Kind == trace.Span_SPAN_KIND_SERVER) {
			parent = p
		}
	}
	return parent
}

// Line is a span and how deep it stands.
type Line struct {
	*Node
	Depth int
}

// Lines are all spans, each before those below it: the roots first, then the
// orphans, one level below where their parent would be. The walk needs no stack
// of its own however deep the trace is.
func (t *Tree) Lines() []Line {
	var todo []Line
	for _, o := range slices.Backward(t.Orphans) {
		for _, n := range slices.Backward(o.Spans) {
			todo = append(todo, Line{n, 1})
		}
	}
	for _, n := range slices.Backward(t.Roots) {
		todo = append(todo, Line{n, 0})
	}
	lines := make([]Line, 0, t.Spans)
	for len(todo) > 0 {
		l := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		lines = append(lines, l)
		for _, c := range slices.Backward(l.Children) {
			todo = append(todo, Line{c, l.Depth + 1})
		}
	}
	return lines
}
