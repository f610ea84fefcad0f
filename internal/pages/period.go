package pages

import (
	"net/url"
	"strconv"
	"time"

	"appliance/internal/config"
	"appliance/internal/readapi"
)

// period is the time that a page is about.
type period struct {
	// Word is how it was chosen: "1h" up to now, "all", or empty for From and To.
	Word     string
	From, To time.Time // zero for all time
}

// choice is one entry of a list to choose from.
type choice struct {
	Value, Text string
	Chosen      bool
}

var periods = []choice{
	{Value: "15m", Text: "last 15 minutes"}, {Value: "1h", Text: "last hour"}, {Value: "6h", Text: "last 6 hours"},
	{Value: "24h", Text: "last day"}, {Value: "7d", Text: "last 7 days"}, {Value: "30d", Text: "last 30 days"},
	{Value: "all", Text: "all time"},
}

// periodOf reads range, or start and end in Unix seconds, which go first: they
// are in links that are to mean the same tomorrow.
func periodOf(q url.Values, otherwise string, now time.Time) (p period, err error) {
	if q.Get("start") != "" || q.Get("end") != "" {
		if p.From, err = momentOf(q, "start"); err != nil {
			return p, err
		}
		if p.To, err = momentOf(q, "end"); err != nil {
			return p, err
		}
		if !p.From.Before(p.To) {
			return p, badRequest("start %s is not before end %s", q.Get("start"), q.Get("end"))
		}
		return p, nil
	}
	if p.Word = q.Get("range"); p.Word == "" {
		p.Word = otherwise
	}
	if p.Word == "all" {
		return p, nil
	}
	d, err := config.ParseDuration(p.Word)
	if err != nil || d <= 0 || d > maxPeriod {
		return p, badRequest("range %.40q is not a time such as 15m, 24h or 7d, nor all", p.Word)
	}
	p.To = now.Truncate(time.Second).Add(time.Second)
	p.From = p.To.Add(-d)
	return p, nil
}

func momentOf(q url.Values, name string) (time.Time, error) {
	n, err := strconv.ParseInt(q.Get(name), 10, 32)
	if err != nil || n <= 0 {
		return time.Time{}, badRequest("%s %.40q is not a time in Unix seconds; give both start and end", name, q.Get(name))
	}
	return time.Unix(n, 0), nil
}

func (p period) seconds() readapi.Range {
	if p.From.IsZero() {
		return readapi.Range{}
	}
	return readapi.Range{Start: uint32(p.From.Unix()), End: uint32(p.To.Unix())}
}

// fix puts the period into a query as it is now.
func (p period) fix(q url.Values) {
	q.Del("range")
	q.Del("start")
	q.Del("end")
	if p.From.IsZero() {
		q.Set("range", "all")
		return
	}
	q.Set("start", strconv.FormatInt(p.From.Unix(), 10))
	q.Set("end", strconv.FormatInt(p.To.Unix(), 10))
}

// keep puts the period into a query as it was chosen.
func (p period) keep(q url.Values) url.Values {
	if p.fix(q); p.Word != "" {
		q.Del("start")
		q.Del("end")
		q.Set("range", p.Word)
	}
	return q
}

// choices are the periods to choose from, with the chosen one.
func (p period) choices(from []choice) []choice {
	out := make([]choice, 0, len(from)+1)
	known := false
	for _, c := range from {
		c.Chosen = c.Value == p.Word
		known = known || c.Chosen
		out = append(out, c)
	}
	if !known && p.Word != "" {
		out = append(out, choice{Value: p.Word, Text: "last " + p.Word, Chosen: true})
	}
	return out
}
