package pages

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Status is the state of the appliance, in words. What is measured stands in
// Flow and Parts as text, so that this package needs to know nothing of it.
type Status struct {
	Uptime   time.Duration
	Ready    bool
	NotReady string // why
	// Flow is the way of a span, in its order.
	Flow     []Stage
	Warnings []Warning
	Parts    []Part
	// Text is all of it, as the command prints it.
	Text string
	// JSON is where it is for programs.
	JSON string
}

// Stage is a place on the way of a span.
type Stage struct {
	Name, Figure, Note string
	Trouble            bool
	Leaves             string // what goes no further here, empty for nothing
}

// Warning is something that is wrong, or will be, and what to do.
type Warning struct {
	What, Do string
	Grave    bool // something is lost, refused or about to be
}

// Part is a table of the page.
type Part struct {
	Title string
	Rows  []Row
}

// Row is a line of a Part.
type Row struct{ Name, Value, Note string }

// statusPage is the appliance as it is now.
type statusPage struct {
	Status
	Up    string
	Flow  flowPicture
	Plots []plot
	Since string // of the plots
	Now   stamp
}

// status answers a browser with a page, and others with what they ask for.
func (h *Handler) status(w http.ResponseWriter, r *http.Request) error {
	s := h.Status()
	if accept := r.Header.Get("Accept"); !strings.Contains(accept, "text/html") && strings.Contains(accept, "text/plain") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprint(w, s.Text) // the client has gone
		return nil
	}
	now := time.Now()
	page := &statusPage{
		Status: s, Up: s.Uptime.Truncate(time.Second).String(), Flow: drawFlow(s.Flow), Now: stampOf(uint64(now.UnixNano())),
	}
	slices.SortStableFunc(page.Warnings, func(a, b Warning) int {
		switch {
		case a.Grave == b.Grave:
			return 0
		case a.Grave:
			return -1
		}
		return 1
	})
	if h.History != nil {
		page.Plots, page.Since = h.History.plots(now)
	}
	return h.render(w, http.StatusOK, "status", layout{Title: "Status", Active: "/status", Page: page})
}

// flowPicture is the way of a span as boxes with arrows.
type flowPicture struct {
	Width, Height int
	Boxes         []flowBox
	Label         string // in words
}

type flowBox struct {
	Stage
	X, Width, TextX, LeavesX int
	ArrowX                   int // where the arrow to the next one begins, 0 for none
	ArrowEnd                 int
}

const (
	flowBoxWidth = 150
	flowGap      = 40
	flowHeight   = 92
	flowLeaving  = 52 // on top, where something goes no further
)

func drawFlow(stages []Stage) flowPicture {
	p := flowPicture{Height: flowHeight}
	var words []string
	for i, s := range stages {
		x := i * (flowBoxWidth + flowGap)
		box := flowBox{Stage: s, X: x + 1, Width: flowBoxWidth, TextX: x + flowBoxWidth/2, LeavesX: x + flowBoxWidth/2}
		if i+1 < len(stages) {
			box.ArrowX, box.ArrowEnd = x+flowBoxWidth+4, x+flowBoxWidth+flowGap-4
		}
		if s.Leaves != "" {
			p.Height = flowHeight + flowLeaving
		}
		p.Boxes = append(p.Boxes, box)
		p.Width = x + flowBoxWidth + 2
		words = append(words, strings.TrimSpace(s.Name+": "+s.Figure+" "+s.Note+" "+s.Leaves))
	}
	p.Label = strings.Join(words, "; then ")
	return p
}
