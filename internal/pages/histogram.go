package pages

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// bins is how many columns a histogram has, about.
const bins = 40

// histogram counts over time.
type histogram struct {
	What    string // is counted
	Columns []column
	Most    string // of a column
	Total   string
	Missing []string
	step    time.Duration
	most    float64
}

// column is the count of a stretch of time.
type column struct {
	X, Width, Y, Height, ErrorY, ErrorHeight string // of the picture, which is 100 high
	Link, Label                              string
	from                                     time.Time
	count, errors                            float64
}

func newHistogram(what string, p period) *histogram {
	step := max((p.To.Sub(p.From) / bins).Truncate(time.Second), time.Second)
	h := &histogram{What: what, step: step}
	// The engine counts from multiples of the step on.
	from := p.From.UnixNano()
	for at := time.Unix(0, from-from%int64(step)); at.Before(p.To); at = at.Add(step) {
		h.Columns = append(h.Columns, column{from: at})
	}
	return h
}

func (h *histogram) at(t time.Time) *column {
	if len(h.Columns) == 0 || t.Before(h.Columns[0].from) {
		return nil
	}
	if i := int(t.Sub(h.Columns[0].from) / h.step); i < len(h.Columns) {
		return &h.Columns[i]
	}
	return nil
}

// countSpans counts the spans that match. It is nil for a query of which that is
// not possible, such as one with an aggregate.
func (h *Handler) countSpans(
	ctx context.Context, tenant, text string, query *traceql.Query, p period,
) (*histogram, error) {
	if query.Metric != nil {
		return nil, nil
	}
	counting, err := traceql.Parse(text + " | count_over_time() by (status)")
	if err != nil {
		return nil, nil //nolint:nilerr // it cannot be counted, and is searched for
	}
	ctx, cancel := context.WithTimeout(ctx, aside)
	defer cancel()
	out := newHistogram("spans that match", p)
	answer, err := h.Engine.Metrics(ctx, readapi.MetricsRequest{
		Tenant: tenant, Query: counting, Start: p.From.UnixNano(), End: p.To.UnixNano(), Step: out.step,
	})
	if err != nil {
		return nil, fmt.Errorf("count what matches: %w", err)
	}
	out.Missing = answer.Missing
	for _, series := range answer.Series {
		failed := len(series.Labels) > 0 && series.Labels[0].Value.String() == "error"
		for _, s := range series.Samples {
			c := out.at(time.UnixMilli(s.Time))
			if c == nil {
				continue
			}
			c.count += s.Value
			if failed {
				c.errors += s.Value
			}
		}
	}
	return out, nil
}

// countTraces counts the traces of a list.
func countTraces(found []*traceql.FoundTrace, p period) *histogram {
	if p.From.IsZero() && len(found) > 0 {
		p.From = time.Unix(0, int64(found[len(found)-1].Start)).Truncate(time.Second)
		p.To = time.Unix(0, int64(found[0].Start)).Truncate(time.Second).Add(time.Second)
	}
	if p.From.IsZero() {
		return &histogram{}
	}
	out := newHistogram("traces of the list", p)
	for _, t := range found {
		if c := out.at(time.Unix(0, int64(t.Start))); c != nil {
			c.count++
			for _, s := range t.Services {
				if s.Errors > 0 {
					c.errors++
					break
				}
			}
		}
	}
	return out
}

// link makes the picture of the counts. Each column leads to its time.
func (h *histogram) link(q url.Values) {
	total := 0.0
	for _, c := range h.Columns {
		h.most = max(h.most, c.count)
		total += c.count
	}
	h.Most, h.Total = number(h.most), number(total)
	to := url.Values{}
	for name, values := range q {
		to[name] = values
	}
	width := 100 / float64(max(len(h.Columns), 1))
	for i := range h.Columns {
		c := &h.Columns[i]
		c.X, c.Width = percent(float64(i)*width/100), percent(width*0.9/100)
		place(c.count, h.most, &c.Y, &c.Height)
		place(c.errors, h.most, &c.ErrorY, &c.ErrorHeight)
		period{From: c.from, To: c.from.Add(h.step)}.fix(to)
		c.Link = "/?" + to.Encode()
		c.Label = fmt.Sprintf("%s UTC, %s: %s", c.from.UTC().Format("2006-01-02 15:04:05"), h.step, number(c.count))
		if c.errors > 0 {
			c.Label += ", with errors " + number(c.errors)
		}
	}
}

// place is where a bar of a picture that is 100 high begins and how high it is.
func place(n, most float64, y, height *string) {
	if n <= 0 || most <= 0 {
		*y, *height = "100", "0"
		return
	}
	share := max(100*n/most, 2)
	*y, *height = strconv.FormatFloat(100-share, 'f', 1, 64), strconv.FormatFloat(share, 'f', 1, 64)
}
