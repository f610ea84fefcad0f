package pages

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	resource "github.com/grafana/tempo/pkg/tempopb/resource/v1"

	"appliance/internal/readapi"
	"appliance/internal/tracetree"
)

// LinesPerPage is how many spans of a trace stand on a page.
const LinesPerPage = 250

const (
	maxListed    = 20 // errors, services, resources: the rest is counted
	maxIndent    = 24 // levels that are drawn
	axisSections = 4
)

// tracePage is a trace, or a part of it.
type tracePage struct {
	ID, Link, Download    string
	Service, Name         text
	Began                 stamp
	Duration              string
	Spans, Services, Deep int
	Failed                int
	Unknown               []string // what is not known of the trace
	Errors                []spanLink
	MoreErrors            int
	Critical              []criticalPart
	Stats                 []serviceStat
	MoreStats             int
	Axis                  []tick
	Rows                  []spanRow
	First, Last           int // of the rows in the trace, from 1
	Previous, Next        string
	Resources             []resourceView
	Whole                 *spanRow // the one span that is shown with everything
	Focus                 *text    // name of the span below which all rows are
	With                  string
}

// spanLink leads to a row.
type spanLink struct {
	Href          string
	Service, Name text
	Message       text
	Duration      string
}

type criticalPart struct {
	spanLink
	Share, Width string
}

type serviceStat struct {
	Name          text
	Spans, Errors int
	Own           string // time on the critical path
	own           uint64
}

type tick struct{ X, Text string }

// located is a trace with the lines of its tree.
type located struct {
	id      [16]byte
	answer  *readapi.TraceAnswer
	tree    *tracetree.Tree
	lines   []tracetree.Line
	ends    []int  // for each line, the one after the last that is below it
	tenant  string // as links have it
	numbers map[*resource.Resource]int
}

// locate reads a trace. It is nil where there is none.
func (h *Handler) locate(r *http.Request, id [16]byte) (*located, []string, error) {
	if h.Engine == nil {
		return nil, nil, errNoEngine
	}
	tenant, shown := h.tenant(r)
	answer, err := h.Engine.Trace(r.Context(), readapi.TraceRequest{Tenant: tenant, ID: id})
	if err != nil {
		return nil, nil, err
	}
	if answer.Trace == nil || len(answer.Trace.ResourceSpans) == 0 {
		return nil, answer.Missing, nil
	}
	l := &located{id: id, answer: answer, tree: tracetree.Grow(answer.Trace), tenant: shown}
	l.tree.MarkCritical()
	l.lines = l.tree.Lines()
	l.ends = endsOf(l.lines)
	return l, answer.Missing, nil
}

func endsOf(lines []tracetree.Line) []int {
	ends := make([]int, len(lines))
	var open []int
	for i, line := range lines {
		for len(open) > 0 && lines[open[len(open)-1]].Depth >= line.Depth {
			ends[open[len(open)-1]] = i
			open = open[:len(open)-1]
		}
		open = append(open, i)
	}
	for _, i := range open {
		ends[i] = len(lines)
	}
	return ends
}

func (l *located) hexID() string { return hex.EncodeToString(l.id[:]) }

// link leads to this trace with the parameters, which are pairs.
func (l *located) link(pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	if l.tenant != "" {
		q.Set("tenant", l.tenant)
	}
	link := "/trace/" + l.hexID()
	if len(q) > 0 {
		link += "?" + q.Encode()
	}
	return link
}

func (h *Handler) trace(w http.ResponseWriter, r *http.Request) error {
	id, err := readapi.ParseTraceID(r.PathValue("id"))
	if err != nil {
		return err
	}
	l, missing, err := h.locate(r, id)
	if err != nil {
		return err
	}
	if l == nil {
		return h.traceNotFound(w, r, id, missing)
	}
	q := r.URL.Query()
	switch {
	case q.Get("format") == "otlp":
		return h.download(w, l)
	case q.Get("with") != "":
		return h.compare(w, r, l)
	}
	page := l.page()
	if text := q.Get("span"); text != "" {
		i := l.find(text)
		if i < 0 {
			return badRequest("span %.40q is not in this trace", text)
		}
		row := l.row(i, true)
		page.Whole = &row
	} else if err := page.paginate(l, q); err != nil {
		return err
	}
	return h.render(w, http.StatusOK, "trace", layout{Title: "Trace " + page.Name.Text, Tenant: l.tenant, Page: page})
}

// page is the head of the page: what is known of the trace as a whole.
func (l *located) page() *tracePage {
	t := l.tree
	page := &tracePage{
		ID: l.hexID(), Link: l.link(), Download: l.link("format", "otlp"), Spans: t.Spans, Services: t.Services,
		Began: stampOf(t.Began), Duration: durationText(max(t.Ended, t.Began) - t.Began), Unknown: l.unknown(),
	}
	first := l.lines[0]
	if len(t.Roots) > 0 {
		page.Service, page.Name = cutTo(maxText, first.Service), cutTo(maxText, first.Name)
	} else {
		page.Service, page.Name = cutTo(maxText, first.Service), text{Text: "root span not seen"}
	}
	stats := map[string]*serviceStat{}
	var critical []int
	for i, line := range l.lines {
		page.Deep = max(page.Deep, line.Depth+1)
		s := stats[line.Service]
		if s == nil {
			s = &serviceStat{Name: cutTo(60, line.Service)}
			stats[line.Service] = s
		}
		s.Spans++
		s.own += line.Critical
		if line.Failed() {
			s.Errors++
			if page.Failed++; len(page.Errors) < maxListed {
				page.Errors = append(page.Errors, l.spanLink(i))
			} else {
				page.MoreErrors++
			}
		}
		if line.Critical > 0 {
			critical = append(critical, i)
		}
	}
	page.criticalPath(l, critical)
	for _, s := range stats {
		s.Own = durationText(s.own)
		page.Stats = append(page.Stats, *s)
	}
	slices.SortFunc(page.Stats, func(a, b serviceStat) int {
		if a.own != b.own {
			return int(min(max(int64(b.own)-int64(a.own), -1), 1))
		}
		return strings.Compare(a.Name.Text, b.Name.Text)
	})
	page.MoreStats = max(0, len(page.Stats)-maxListed)
	page.Stats = page.Stats[:len(page.Stats)-page.MoreStats]
	return page
}

// criticalPath lists the spans for which the trace waited longest.
func (page *tracePage) criticalPath(l *located, lines []int) {
	const most = 8
	total := max(l.tree.Ended, l.tree.Began+1) - l.tree.Began
	slices.SortStableFunc(lines, func(a, b int) int {
		return int(min(max(int64(l.lines[b].Critical)-int64(l.lines[a].Critical), -1), 1))
	})
	for _, i := range lines[:min(len(lines), most)] {
		share := float64(l.lines[i].Critical) / float64(total)
		part := criticalPart{spanLink: l.spanLink(i), Share: digits(100*share) + " %", Width: percent(share)}
		part.Duration = durationText(l.lines[i].Critical)
		page.Critical = append(page.Critical, part)
	}
}

// spanLink leads to line i, on the page that has it.
func (l *located) spanLink(i int) spanLink {
	n := l.lines[i]
	href := l.link()
	if from := i / LinesPerPage * LinesPerPage; from > 0 {
		href = l.link("from", strconv.Itoa(from+1))
	}
	return spanLink{
		Href: href + "#" + anchor(i), Service: cutTo(60, n.Service), Name: cutTo(maxText, n.Name),
		Message: cutTo(maxText, n.Status.GetMessage()), Duration: durationText(n.Duration()),
	}
}

// anchor is the id of a row. Ids of spans will not do: a trace may have one twice.
func anchor(i int) string { return "span-" + strconv.Itoa(i+1) }

// find is the line of a span by its id or its number; -1 where there is none.
func (l *located) find(text string) int {
	if number, ok := strings.CutPrefix(text, "span-"); ok {
		if i, err := strconv.Atoi(number); err == nil && i >= 1 && i <= len(l.lines) {
			return i - 1
		}
		return -1
	}
	id, err := hex.DecodeString(text)
	if err != nil || len(id) == 0 {
		return -1
	}
	return slices.IndexFunc(l.lines, func(n tracetree.Line) bool { return bytes.Equal(n.SpanId, id) })
}

// paginate fills in the rows that the request asks for.
func (page *tracePage) paginate(l *located, q url.Values) error {
	begin, end := 0, len(l.lines)
	var more []string // parameters of the other pages
	if text := q.Get("focus"); text != "" {
		i := l.find(text)
		if i < 0 {
			return badRequest("span %.40q is not in this trace", text)
		}
		begin, end = i, l.ends[i]
		name := cutTo(maxText, l.lines[i].Name)
		page.Focus, more = &name, []string{"focus", anchor(i)}
	}
	from := begin
	if text := q.Get("from"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return badRequest("from %.40q is not the number of a span", text)
		}
		from = min(max(n-1, begin), end-1)
	}
	to := min(from+LinesPerPage, end)
	page.First, page.Last = from+1, to
	if from > begin {
		page.Previous = l.link(append(more, "from", strconv.Itoa(max(from-LinesPerPage, begin)+1))...)
	}
	if to < end {
		page.Next = l.link(append(more, "from", strconv.Itoa(to+1))...)
	}
	for i := from; i < to; i++ {
		page.Rows = append(page.Rows, l.row(i, false))
	}
	page.Resources = l.resources(from, to)
	total := max(l.tree.Ended, l.tree.Began) - l.tree.Began
	for i := range axisSections + 1 {
		share := float64(i) / axisSections
		page.Axis = append(page.Axis, tick{percent(share), durationText(uint64(share * float64(total)))})
	}
	return nil
}

func (h *Handler) download(w http.ResponseWriter, l *located) error {
	if h.WriteOTLP == nil {
		return errors.New("write the trace as OTLP: this is not set up")
	}
	var body bytes.Buffer
	if err := h.WriteOTLP(&body, l.answer.Trace); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="trace-%s.json"`, l.hexID()))
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	_, _ = body.WriteTo(w) // the client has gone
	return nil
}

func (h *Handler) traceNotFound(w http.ResponseWriter, r *http.Request, id [16]byte, missing []string) error {
	tenant, shown := h.tenant(r)
	p := problem{Title: "No such trace", What: fmt.Sprintf("Trace %x is not here: no span of it is stored, here or in the archive.", id)}
	code := http.StatusNotFound
	if len(missing) > 0 {
		code = http.StatusServiceUnavailable
		p.What = fmt.Sprintf("Trace %x was not found, but not everything could be searched.", id)
	}
	for _, why := range missing {
		p.Hint = append(p.Hint, "It may be in what could not be read: "+why)
	}
	if h.NotFound != nil {
		p.Hint = append(p.Hint, h.NotFound(tenant, id)...)
	}
	return h.render(w, code, "problem", layout{Title: p.Title, Tenant: shown, Page: p})
}
