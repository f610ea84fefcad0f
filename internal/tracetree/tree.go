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
	byID := map[string]*twins{}
	for i, n := range all {
		if i == 0 {
			tree.Began = n.StartTimeUnixNano
		}
		tree.Ended = max(tree.Ended, n.EndTimeUnixNano)
		services[n.Service] = true
		if byID[string(n.SpanId)] == nil {
			byID[string(n.SpanId)] = &twins{}
		}
		byID[string(n.SpanId)].add(n)
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
		case strings.Trim(key, "\x00") == "" || byID[key] != nil:
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

// twins are the spans of one id that others may stand under. There may be any
// number with the id, so that only these are kept.
type twins struct {
	client  *Node    // the first
	first   [2]*Node // the first two
	servers [2]*Node // the last two, the last one first
}

// add takes in the next span by start.
func (t *twins) add(n *Node) {
	switch {
	case t.first[0] == nil:
		t.first[0] = n
	case t.first[1] == nil:
		t.first[1] = n
	}
	switch {
	case n.Kind == trace.Span_SPAN_KIND_SERVER:
		t.servers = [2]*Node{n, t.servers[0]}
	case n.Kind == trace.Span_SPAN_KIND_CLIENT && t.client == nil:
		t.client = n
	}
}

// parentOf is the span that one which names the id as its parent stands under:
// the last server span, or the first one of another kind. It is not n itself.
func (t *twins) parentOf(n *Node) *Node {
	for _, p := range [...]*Node{t.servers[0], t.servers[1], t.first[0], t.first[1]} {
		if p != nil && p != n {
			return p
		}
	}
	return nil
}

// parentIn is the span that n stands under. Where a client and a server span
// share an id, as Zipkin's do, the server span stands under the client's, and
// what names the id as its parent under the server's.
func (n *Node) parentIn(byID map[string]*twins) *Node {
	if n.Kind == trace.Span_SPAN_KIND_SERVER {
		if client := byID[string(n.SpanId)].client; client != nil {
			return client
		}
	}
	if t := byID[string(n.ParentSpanId)]; t != nil {
		return t.parentOf(n)
	}
	return nil
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
