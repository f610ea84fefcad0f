package pages

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"appliance/internal/readapi"
	"appliance/internal/tracetree"
)

// comparePage is two traces beside each other, by operation.
type comparePage struct {
	A, B  comparedTrace
	Swap  string // link to the same, the other way round
	Rows  []comparedRow
	More  int
	Never bool // they have no operation in common
}

type comparedTrace struct {
	ID, Link      string
	Service, Name text
	Began         stamp
	Duration      string
	Spans, Failed int
	Unknown       []string
}

type comparedRow struct {
	Service, Name  text
	Kind           string
	A, B           comparedPart
	Change         string // of the own time on the critical path
	Slower, Faster bool
}

type comparedPart struct {
	Spans, Errors    int
	Duration, Waited string // of all of them; of them alone on the critical path
	duration, waited uint64
	Width            string
	Missing          bool
}

// operation is what spans of two traces have in common.
type operation struct{ service, name, kind string }

func (h *Handler) compare(w http.ResponseWriter, r *http.Request, a *located) error {
	id, err := readapi.ParseTraceID(strings.TrimSpace(r.URL.Query().Get("with")))
	if err != nil {
		return err
	}
	b, missing, err := h.locate(r, id)
	if err != nil {
		return err
	}
	if b == nil {
		return h.traceNotFound(w, r, id, missing)
	}
	page := &comparePage{A: compared(a), B: compared(b), Swap: b.link("with", a.hexID())}
	page.fill(a, b)
	return h.render(w, http.StatusOK, "compare", layout{Title: "Two traces", Tenant: a.tenant, Page: page})
}

func compared(l *located) comparedTrace {
	p := l.page()
	return comparedTrace{
		ID: p.ID, Link: p.Link, Service: p.Service, Name: p.Name, Began: p.Began, Duration: p.Duration,
		Spans: p.Spans, Failed: p.Failed, Unknown: p.Unknown,
	}
}

// fill adds up the spans of each operation. The operations whose share of the
// waiting has changed most come first.
func (page *comparePage) fill(a, b *located) {
	sums := map[operation]*[2]comparedPart{}
	for side, l := range []*located{a, b} {
		for _, n := range l.lines {
			add(sums, side, n)
		}
	}
	longest := uint64(1)
	keys := make([]operation, 0, len(sums))
	page.Never = true
	for key, s := range sums {
		keys = append(keys, key)
		longest = max(longest, s[0].waited, s[1].waited)
		if s[0].Spans > 0 && s[1].Spans > 0 {
			page.Never = false
		}
	}
	change := func(key operation) int64 { return int64(sums[key][1].waited) - int64(sums[key][0].waited) }
	slices.SortFunc(keys, func(x, y operation) int {
		return cmp.Or(cmp.Compare(abs(change(y)), abs(change(x))), cmp.Compare(x.service, y.service),
			cmp.Compare(x.name, y.name), cmp.Compare(x.kind, y.kind))
	})
	page.More = max(0, len(keys)-LinesPerPage)
	for _, key := range keys[:len(keys)-page.More] {
		row := comparedRow{Service: cutTo(60, key.service), Name: cutTo(maxText, key.name), Kind: key.kind}
		parts := sums[key]
		for i := range parts {
			p := &parts[i]
			p.Duration, p.Waited = durationText(p.duration), durationText(p.waited)
			p.Width = percent(float64(p.waited) / float64(longest))
			p.Missing = p.Spans == 0
		}
		row.A, row.B = parts[0], parts[1]
		switch d := change(key); {
		case d > 0:
			row.Slower, row.Change = true, "+"+durationText(uint64(d))
		case d < 0:
			row.Faster, row.Change = true, "−"+durationText(uint64(-d))
		default:
			row.Change = "same"
		}
		page.Rows = append(page.Rows, row)
	}
}

func add(sums map[operation]*[2]comparedPart, side int, n tracetree.Line) {
	key := operation{n.Service, n.Name, kindName(n.Kind)}
	s := sums[key]
	if s == nil {
		s = &[2]comparedPart{}
		sums[key] = s
	}
	p := &s[side]
	p.Spans++
	p.duration += n.Duration()
	p.waited += n.Critical
	if n.Failed() {
		p.Errors++
	}
}

func abs(n int64) int64 { return max(n, -n) }
