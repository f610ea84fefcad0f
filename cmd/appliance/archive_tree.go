package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"
	tracev1 "github.com/grafana/tempo/pkg/tempopb/trace/v1"

	"appliance/internal/tracetree"
)

// maxIndent is how many levels are drawn; below, the number of the level stands instead.
const maxIndent = 24

// writeTraceTree writes a trace for a person. Where says where its spans were
// looked for.
func writeTraceTree(w io.Writer, id, tenant, where string, t *tempopb.Trace) error {
	tree := tracetree.Grow(t)
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "trace %s of tenant %s\n%s of %s, %s, %s\n\n", id, tenant, several(tree.Spans, "span"), several(tree.Services, "service"),
		time.Unix(0, int64(tree.Began)).UTC().Format(time.RFC3339Nano), durationText(tree.Began, tree.Ended))
	p := treePrinter{b, tree.Began}
	for _, n := range tree.Roots {
		p.span(n, 0, "", "")
	}
	for _, o := range tree.Orphans {
		fmt.Fprintf(b, "%s  parent %s is not in %s\n", strings.Repeat(" ", timeColumns), o.Parent, where)
		for i, n := range o.Spans {
			mark, below := branch(i == len(o.Spans)-1)
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
func (p treePrinter) span(n *tracetree.Node, level int, mark, below string) {
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
		mark, orDash(printable(n.Service)), printable(n.Name), status)
	for i, c := range n.Children {
		if level >= maxIndent {
			p.span(c, level+1, fmt.Sprintf("%s[level %d] ", below, level+1), below)
			continue
		}
		mark, next := branch(i == len(n.Children)-1)
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
