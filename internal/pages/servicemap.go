package pages

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

const (
	maxNodes   = 60 // of the map; the table has all
	nodeWidth  = 170
	nodeHeight = 34
	columnGap  = 90
	rowGap     = 22
	mapMargin  = 12
)

// serviceMap is a picture of who calls whom, callers left of those they call.
type serviceMap struct {
	Width, Height int
	Nodes         []mapNode
	Edges         []mapEdge
	More          int // services that have no place
}

type mapNode struct {
	X, Y, TextX, TextY int
	Name               text
	Href, Label        string
}

type mapEdge struct {
	Path    string
	Failing bool
	Stroke  string // width
	Label   string
}

// drawMap places each service one column to the right of the one that is
// farthest to the right of those that call it. Circles are followed once.
func drawMap(edges []Edge, href func(string) string) *serviceMap {
	if len(edges) == 0 {
		return nil
	}
	m := &serviceMap{}
	index := map[string]int{}
	names := []string{}
	place := func(name string) (int, bool) {
		i, ok := index[name]
		if !ok && len(names) < maxNodes {
			i, ok = len(names), true
			index[name] = i
			names = append(names, name)
		}
		return i, ok
	}
	unplaced := map[string]bool{}
	var links []mapLink
	for _, e := range edges {
		from, ok := place(e.Client)
		if !ok {
			unplaced[e.Client] = true
		}
		to, okTo := place(e.Server)
		if !okTo {
			unplaced[e.Server] = true
		}
		if ok && okTo {
			links = append(links, mapLink{from, to, e})
		}
	}
	m.More = len(unplaced)
	m.place(names, columnsOf(len(names), links), href)
	most := 1.0
	for _, l := range links {
		most = max(most, l.Calls)
	}
	for _, l := range links {
		m.Edges = append(m.Edges, m.edge(l, most))
	}
	return m
}

// mapLink is an edge between two nodes, by their numbers.
type mapLink struct {
	from, to int
	Edge
}

// columnsOf gives each of n nodes its column.
func columnsOf(n int, links []mapLink) []int {
	out := make([][]int, n) // of links
	called := make([]bool, n)
	for i, l := range links {
		out[l.from] = append(out[l.from], i)
		called[l.to] = called[l.to] || l.from != l.to
	}
	const unseen, open, done = 0, 1, 2
	state := make([]int, n)
	circular := make([]bool, len(links))
	var ends []int // nodes, each after those that it calls
	var visit func(i int)
	visit = func(i int) {
		state[i] = open
		for _, link := range out[i] {
			switch to := links[link].to; state[to] {
			case open:
				circular[link] = true
			case unseen:
				visit(to)
			}
		}
		state[i] = done
		ends = append(ends, i)
	}
	for _, first := range []bool{true, false} {
		for i := range n {
			if state[i] == unseen && called[i] != first {
				visit(i)
			}
		}
	}
	columns := make([]int, n)
	for _, i := range slices.Backward(ends) {
		for _, link := range out[i] {
			if to := links[link].to; !circular[link] {
				columns[to] = max(columns[to], columns[i]+1)
			}
		}
	}
	return columns
}

// place puts the nodes of each column below each other, in the order of names.
func (m *serviceMap) place(names []string, columns []int, href func(string) string) {
	m.Nodes = make([]mapNode, len(names))
	order := make([]int, len(names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(names[a], names[b]) })
	filled := map[int]int{}
	for _, i := range order {
		n := &m.Nodes[i]
		n.X = mapMargin + columns[i]*(nodeWidth+columnGap)
		n.Y = mapMargin + filled[columns[i]]*(nodeHeight+rowGap)
		n.TextX, n.TextY = n.X+nodeWidth/2, n.Y+nodeHeight/2+5
		filled[columns[i]]++
		n.Name, n.Href, n.Label = cutTo(20, names[i]), href(names[i]), cutTo(maxText, names[i]).Text
		m.Width = max(m.Width, n.X+nodeWidth+mapMargin)
		m.Height = max(m.Height, n.Y+nodeHeight+rowGap+mapMargin)
	}
}

// edge draws a call: to the right in a curve, back and within a column below
// the nodes.
func (m *serviceMap) edge(l mapLink, most float64) mapEdge {
	a, b := m.Nodes[l.from], m.Nodes[l.to]
	x1, y1, x2, y2 := a.X+nodeWidth, a.Y+nodeHeight/2, b.X, b.Y+nodeHeight/2
	bend := columnGap / 2
	if x2 <= x1 {
		y1, y2, bend = a.Y+nodeHeight-6, b.Y+nodeHeight-6, columnGap
	}
	share := ""
	if l.Errors > 0 && l.Calls > 0 {
		share = ", " + digits(100*l.Errors/l.Calls) + " % with errors"
	}
	return mapEdge{
		Path:    fmt.Sprintf("M%d %d C%d %d %d %d %d %d", x1, y1, x1+bend, y1, x2-bend, y2, x2, y2),
		Failing: l.Errors > 0, Stroke: strconv.FormatFloat(1+3*l.Calls/most, 'f', 1, 64),
		Label: a.Label + " calls " + b.Label + ": " + number(l.Calls) + share,
	}
}
