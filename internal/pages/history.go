package pages

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
)

// Graph is a plot of the last day.
type Graph struct {
	Title string
	Unit  string // "bytes", or a word that stands behind the number
	Lines []GraphLine
}

// GraphLine is a line of a Graph.
type GraphLine struct {
	Name string
	// Rate says that the values are of a counter, and that what it rises by in a
	// second is plotted.
	Rate bool
}

// History keeps the values of graphs for a day, in this process alone.
type History struct {
	graphs []Graph
	width  int // values of a sample
	keep   int

	mu     sync.Mutex
	at     []time.Time // a ring, as values
	values [][]float64
	next   int
}

// HistoryEvery is how often a sample should be added.
const HistoryEvery = 30 * time.Second

// NewHistory makes a History without a sample. It keeps those of a day.
func NewHistory(graphs []Graph) *History {
	h := &History{graphs: graphs, keep: int(24 * time.Hour / HistoryEvery)}
	for _, g := range graphs {
		h.width += len(g.Lines)
	}
	return h
}

// Add adds a sample: a value for each line, graph by graph. NaN: not known.
func (h *History) Add(at time.Time, values ...float64) {
	if len(values) != h.width {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.at) < h.keep {
		h.at, h.values = append(h.at, at), append(h.values, values)
		return
	}
	h.at[h.next], h.values[h.next] = at, values
	h.next = (h.next + 1) % h.keep
}

// samples are those of the last day, the oldest first.
func (h *History) samples() (at []time.Time, values [][]float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at = append(append(at, h.at[h.next:]...), h.at[:h.next]...)
	values = append(append(values, h.values[h.next:]...), h.values[:h.next]...)
	return at, values
}

// plot is a graph as it is drawn.
type plot struct {
	Title string
	Most  string // at the upper edge
	Lines []plotLine
	Label string // in words
	Empty bool   // there is nothing to plot yet
}

type plotLine struct {
	Name, Class          string
	Paths                []string // of SVG; several where values are missing
	Now, Highest, Lowest string
}

const (
	plotWidth  = 600
	plotHeight = 120
	plotPoints = 300 // of a line at most
)

// plots draws what there is.
func (h *History) plots(now time.Time) (out []plot, since string) {
	at, values := h.samples()
	if len(at) > 0 {
		since = "the last " + now.Sub(at[0]).Round(time.Minute).String()
		if now.Sub(at[0]) < time.Minute {
			since = "the time since the start, which is less than a minute ago"
		}
	}
	column := 0
	for _, g := range h.graphs {
		p := plot{Title: g.Title, Empty: true}
		series := make([][]float64, len(g.Lines))
		most := 0.0
		for i, line := range g.Lines {
			series[i] = pick(at, values, column, line.Rate)
			column++
			for _, v := range series[i] {
				if !math.IsNaN(v) {
					most, p.Empty = max(most, v), false
				}
			}
		}
		p.Most = g.text(most)
		var words []string
		for i, line := range g.Lines {
			l := g.draw(line.Name, at, series[i], most)
			l.Class = "line" + strconv.Itoa(i)
			p.Lines = append(p.Lines, l)
			words = append(words, fmt.Sprintf("%s now %s, highest %s, lowest %s", l.Name, l.Now, l.Highest, l.Lowest))
		}
		p.Label = g.Title + ": " + strings.Join(words, "; ")
		out = append(out, p)
	}
	return out, since
}

// pick is one value of each sample. A counter that fell began again.
func pick(at []time.Time, values [][]float64, column int, rate bool) []float64 {
	out := make([]float64, len(at))
	for i := range at {
		v := values[i][column]
		if rate {
			if i == 0 {
				v = math.NaN()
			} else {
				v = (v - values[i-1][column]) / at[i].Sub(at[i-1]).Seconds()
			}
			if v < 0 {
				v = math.NaN()
			}
		}
		out[i] = v
	}
	return out
}

func (g Graph) text(v float64) string {
	switch {
	case math.IsNaN(v):
		return "unknown"
	case g.Unit == "bytes":
		return humanize.IBytes(uint64(max(v, 0)))
	}
	return strings.TrimSpace(number(v) + " " + g.Unit)
}

// draw makes a line of up to plotPoints, each the highest value of its time.
func (g Graph) draw(name string, at []time.Time, values []float64, most float64) plotLine {
	line := plotLine{Name: name, Now: "unknown", Highest: "unknown", Lowest: "unknown"}
	high, low := math.NaN(), math.NaN()
	var path strings.Builder
	end := func() {
		if path.Len() > 0 {
			line.Paths = append(line.Paths, path.String())
			path.Reset()
		}
	}
	each := max(1, (len(values)+plotPoints-1)/plotPoints)
	for from := 0; from < len(values); from += each {
		v := math.NaN()
		for _, one := range values[from:min(from+each, len(values))] {
			if !math.IsNaN(one) {
				v = math.Max(one, nanTo(v, one))
				high, low = math.Max(nanTo(high, one), one), math.Min(nanTo(low, one), one)
			}
		}
		if math.IsNaN(v) {
			end()
			continue
		}
		command := "L"
		if path.Len() == 0 {
			command = "M"
		}
		x := plotWidth * at[from].Sub(at[0]).Seconds() / max(at[len(at)-1].Sub(at[0]).Seconds(), 1)
		y := plotHeight - plotHeight*v/max(most, math.SmallestNonzeroFloat64)
		fmt.Fprintf(&path, "%s%.1f %.1f", command, x, y)
	}
	end()
	if n := len(values); n > 0 {
		line.Now = g.text(values[n-1])
	}
	line.Highest, line.Lowest = g.text(high), g.text(low)
	return line
}

func nanTo(v, other float64) float64 {
	if math.IsNaN(v) {
		return other
	}
	return v
}
