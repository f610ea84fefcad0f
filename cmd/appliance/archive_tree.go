package main

import (
	"bufio"
	"cmp"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"
	tracev1 "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

// maxIndent is how many levels are drawn; below, the number of the level stands instead.
const maxIndent = 24

// spanNode is a span of the tree.
type spanNode struct {
	*tracev1.Span
	service  string
	parent   *spanNode // nil where it is not in the trace
	children []*spanNode
	walk     int // that cutCircles met it in
}

// traceTree is a trace by parents.
type traceTree struct {
	spans    int
	services int
	began    uint64 // of the first span, Unix nanoseconds
	ended    uint64
	roots    []*spanNode
	orphans  []orphans
}

// orphans are the spans whose parent is not in the trace.
type orphans struct {
	parent string
	spans  []*spanNode
}

// growTree sorts the spans of a trace by parents. Each span is in the tree once, whatever the parents say.
func growTree(t *tempopb.Trace) *traceTree {
	tree := &traceTree{}
	services := map[string]bool{}
	var all []*spanNode
	for _, rs := range t.ResourceSpans {
		service := ""
		for _, kv := range rs.GetResource().GetAttributes() {
			if kv.Key == "service.name" {
				service = kv.Value.GetStringValue()
			}
		}
		services[service] = true
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				all = append(all, &spanNode{Span: s, service: service})
			}
		}
	}
	slices.SortStableFunc(all, func(x, y *spanNode) int {
		return cmp.Or(cmp.Compare(x.StartTimeUnixNano, y.StartTimeUnixNano), slices.Compare(x.SpanId, y.SpanId))
	})
	tree.spans, tree.services = len(all), len(services)
	byID := map[string][]*spanNode{}
	for i, n := range all {
		if i == 0 {
			tree.began = n.StartTimeUnixNano
		}
		tree.ended = max(tree.ended, n.EndTimeUnixNano)
		byID[string(n.SpanId)] = append(byID[string(n.SpanId)], n)
	}
	for _, n := range all {
		n.parent = n.parentIn(byID)
	}
	cutCircles(all)
	missing := map[string]int{}
	for _, n := range all {
		switch key := string(n.ParentSpanId); {
		case n.parent != nil:
			n.parent.children = append(n.parent.children, n)
		case strings.Trim(key, "\x00") == "" || len(byID[key]) > 0: // the latter was cut out of a circle
			tree.roots = append(tree.roots, n)
		default:
			i, ok := missing[key]
			if !ok {
				i = len(tree.orphans)
				missing[key] = i
				tree.orphans = append(tree.orphans, orphans{parent: hex.EncodeToString(n.ParentSpanId)})
			}
			tree.orphans[i].spans = append(tree.orphans[i].spans, n)
		}
	}
	return tree
}

// cutCircles takes its parent from one span of each circle of parents, so that every span hangs from some root.
func cutCircles(all []*spanNode) {
	for i, n := range all {
		m := n
		for ; m != nil && m.walk == 0; m = m.parent {
			m.walk = i + 1
		}
		if m != nil && m.walk == i+1 {
			m.parent = nil
		}
	}
}

// parentIn is the span that n stands under. Where a client and a server span share an id, as Zipkin's do, the server
// span stands under the client's, and what names the id as its parent under the server's.
func (n *spanNode) parentIn(byID map[string][]*spanNode) *spanNode {
	if n.Kind == tracev1.Span_SPAN_KIND_SERVER {
		for _, twin := range byID[string(n.SpanId)] {
			if twin.Kind == tracev1.Span_SPAN_KIND_CLIENT {
				return twin
			}
		}
	}
	var parent *spanNode
	for _, p := range byID[string(n.ParentSpanId)] {
		if p != n && (parent == nil || p.Kind == tracev1.Span_SPAN_KIND_SERVER) {
			parent = p
		}
	}
	return parent
}

// writeTraceTree writes a trace for a person.
func writeTraceTree(w io.Writer, id, tenant string, t *tempopb.Trace) error {
	tree := growTree(t)
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "trace %s of tenant %s\n%s of %s, %s, %s\n\n", id, tenant, several(tree.spans, "span"), several(tree.services, "service"),
		time.Unix(0, int64(tree.began)).UTC().Format(time.RFC3339Nano), durationText(tree.began, tree.ended))
	p := treePrinter{b, tree.began}
	for _, n := range tree.roots {
		p.span(n, 0, "", "")
	}
	for _, o := range tree.orphans {
		fmt.Fprintf(b, "%s  parent %s is not in the archive\n", strings.Repeat(" ", timeColumns), o.parent)
		for i, n := range o.spans {
			mark, below := branch(i == len(o.spans)-1)
			p.span(n, 1, mark, below)
		}
	}
	return b.Flush()
}

type treePrinter struct {
	w     io.Writer
	began uint64
}

const timeColumns = 10 + 1 + 10 // the time since the trace began, and the duration

// span writes a span and those under it. Mark stands before itself, below before the others.
func (p treePrinter) span(n *spanNode, level int, mark, below string) {
	status := ""
	if n.Status.GetCode() == tracev1.Status_STATUS_CODE_ERROR {
		status = "  error"
		if m := n.Status.GetMessage(); m != "" {
			status += ": " + printable(m)
		}
	} else if n.Status.GetCode() == tracev1.Status_STATUS_CODE_OK {
		status = "  ok"
	}
	fmt.Fprintf(p.w, "%*s %*s  %s%s: %s%s\n", timeColumns/2, "+"+durationText(p.began, n.StartTimeUnixNano), timeColumns/2, durationText(n.StartTimeUnixNano, n.EndTimeUnixNano),
		mark, orDash(printable(n.service)), printable(n.Name), status)
	for i, c := range n.children {
		if level >= maxIndent {
			p.span(c, level+1, fmt.Sprintf("%s[level %d] ", below, level+1), below)
			continue
		}
		mark, next := branch(i == len(n.children)-1)
		p.span(c, level+1, below+mark, below+next)
	}
}

func branch(last bool) (mark, below string) {
	if last {
		return "└─ ", "   "
	}
	return "├─ ", "│  "
}

// durationText is the time between two moments, to about four digits.
func durationText(from, to uint64) string {
	d := time.Duration(to - from)
	switch {
	case to < from || d < 0:
		return "?"
	case d < time.Millisecond:
		return d.Round(100 * time.Nanosecond).String()
	case d < time.Second:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Minute:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
