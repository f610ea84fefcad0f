package pages

import (
	"cmp"
	"context"
	"encoding/hex"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

const (
	// maxFound is the largest number of traces in a list.
	maxFound = 500
	// aside is how long what is beside the matter of a page may take: the
	// histogram, what a field is completed with.
	aside = 3 * time.Second
	// maxOffered is how many values a field is completed with.
	maxOffered = 200
)

// searchPage is a search and what it has found.
type searchPage struct {
	question
	Periods, Limits, States []choice
	Word                    string   // of the period
	Tenants                 []choice // none where there is only one
	Query                   string   // in TraceQL
	Permalink               string   // means the same tomorrow
	// what there is before the last trace of the list; empty at the end
	Older                 string
	Services, Names, Tags []string
	Found                 []foundRow
	Histogram             *histogram
	Missing               []string
	Period                string // what was searched, in words
	Error                 string // what is wrong with the question
	Compared              int    // how many traces were chosen to compare, where that is not two
	HasCompared           bool
	Live                  bool // there is something to read from
}

// foundRow is a trace of the list.
type foundRow struct {
	ID, Link      string
	Began         stamp
	Service, Name text
	Rootless      bool // the root is not stored
	Undecided     bool // by tail rules
	Duration      string
	Width         string // share of the longest of the list, in percent
	Spans, Errors int
	Matched       int
	Services      []serviceCount
	MoreServices  int
}

type serviceCount struct {
	Name          text
	Spans, Errors int
}

func (h *Handler) search(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if ids := q["compare"]; len(ids) == 2 {
		to := "/trace/" + url.PathEscape(ids[0]) + "?" + withTenant(url.Values{"with": {ids[1]}}, q.Get("tenant"))
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	tenant, shown := h.tenant(r)
	page := &searchPage{Live: h.Engine != nil, Compared: len(q["compare"]), HasCompared: q.Has("compare")}
	page.Tenants = h.tenantChoices(shown)
	l := layout{Title: "Traces", Active: "/", Tenant: shown, Page: page}
	code := http.StatusOK
	if err := h.fillSearch(r, page, tenant, shown); err != nil {
		if !isBad(err) {
			return err
		}
		page.Error, code = err.Error(), http.StatusBadRequest
	}
	return h.render(w, code, "search", l)
}

// fillSearch asks for everything that the page shows. What is wrong with the
// question is an error that isBad; the form is filled in all the same.
func (h *Handler) fillSearch(r *http.Request, page *searchPage, tenant, shown string) error {
	q := r.URL.Query()
	now := time.Now()
	p, err := periodOf(q, "1h", now)
	page.Word, page.Periods = p.Word, p.choices(periods)
	if err != nil {
		return err
	}
	page.Period = p.words()
	page.question, err = questionOf(q)
	page.choose()
	if err != nil {
		return err
	}
	text, query, err := page.query()
	page.Query = text
	if err != nil || h.Engine == nil {
		return err
	}
	g, ctx := errgroup.WithContext(r.Context())
	var found *readapi.SearchAnswer
	g.Go(func() (err error) {
		found, err = h.Engine.Search(ctx, readapi.SearchRequest{
			Tenant: tenant, Query: h.asking(query), Range: p.seconds(), Limit: page.Limit, SpansPerSet: 1,
		}, nil)
		return err
	})
	if !p.From.IsZero() {
		g.Go(func() (err error) {
			page.Histogram, err = h.countSpans(ctx, tenant, text, query, p)
			return err
		})
	}
	g.Go(func() error { h.offer(ctx, tenant, page, now); return nil })
	if err := g.Wait(); err != nil {
		return err
	}
	page.Missing = found.Missing
	page.show(found.Traces, shown)
	if page.Histogram == nil {
		page.Histogram = countTraces(found.Traces, p)
	}
	page.Histogram.link(q)
	p.fix(q)
	page.Permalink = "/?" + q.Encode()
	page.Older = older(q, p, found.Traces, page.Limit)
	return nil
}

func (page *searchPage) choose() {
	for _, n := range []int{20, 50, 100, maxFound} {
		page.Limits = append(page.Limits, choice{Value: strconv.Itoa(n), Text: strconv.Itoa(n), Chosen: n == page.Limit})
	}
	if !slices.ContainsFunc(page.Limits, func(c choice) bool { return c.Chosen }) {
		n := strconv.Itoa(page.Limit)
		page.Limits = append(page.Limits, choice{Value: n, Text: n, Chosen: true})
	}
	for _, s := range []choice{{Value: "", Text: "any"}, {Value: "error", Text: "error"}, {Value: "ok", Text: "ok"}, {Value: "unset", Text: "unset"}} {
		s.Chosen = s.Value == page.Status
		page.States = append(page.States, s)
	}
}

// words say what time it is.
func (p period) words() string {
	if p.From.IsZero() {
		return "all time"
	}
	const form = "2006-01-02 15:04:05"
	return p.From.UTC().Format(form) + " to " + p.To.UTC().Format(form) + " UTC"
}

// older is the link to what comes after the last trace of a full list.
func older(q url.Values, p period, found []*traceql.FoundTrace, limit int) string {
	if len(found) < limit {
		return ""
	}
	last := time.Unix(0, int64(found[len(found)-1].Start))
	if p.From.IsZero() {
		p.From = time.Unix(1, 0)
	}
	p.To = last.Truncate(time.Second) // a trace that ends later is in the list again
	if !p.From.Before(p.To) {
		return ""
	}
	p.fix(q)
	return "/?" + q.Encode()
}

// offer finds what the fields are completed with: what the last hour has, as far
// as that is known soon.
func (h *Handler) offer(ctx context.Context, tenant string, page *searchPage, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, aside)
	defer cancel()
	recent := readapi.Range{Start: uint32(now.Add(-time.Hour).Unix()), End: uint32(now.Unix()) + 1}
	values := func(a *traceql.Attribute, query string) []string {
		answer, err := h.Engine.TagValues(ctx, readapi.TagValuesRequest{
			Tenant: tenant, Attribute: a, Query: traceql.ParseTagFilter(query), Range: recent, Limit: maxOffered,
		})
		if err != nil {
			return nil // the field is not completed, and can be filled in
		}
		var texts []string
		for _, v := range answer.Values {
			if s := v.String(); len(s) <= maxText {
				texts = append(texts, s)
			}
		}
		slices.Sort(texts)
		return texts
	}
	page.Services = values(&traceql.Attribute{Scope: traceql.ScopeResource, Name: "service.name"}, "")
	filter := ""
	if page.Service != "" {
		filter = "{ resource.service.name = " + strconv.Quote(page.Service) + " }"
	}
	page.Names = values(&traceql.Attribute{Intrinsic: traceql.IntrinsicName}, filter)
	tags, err := h.Engine.Tags(ctx, readapi.TagsRequest{Tenant: tenant, Range: recent, Limit: maxOffered})
	if err != nil {
		return
	}
	for scope, keys := range tags.Keys {
		for _, key := range keys {
			if len(key) <= maxText {
				page.Tags = append(page.Tags, scope.String()+"."+key)
			}
		}
	}
	slices.Sort(page.Tags)
}

// show fills the list.
func (page *searchPage) show(found []*traceql.FoundTrace, tenant string) {
	longest := int64(1)
	for _, t := range found {
		longest = max(longest, t.Duration)
	}
	const mostServices = 6
	for _, t := range found {
		row := foundRow{
			ID: hex.EncodeToString(t.ID[:]), Began: stampOf(t.Start),
			Service: cutTo(maxText, t.RootService), Name: cutTo(maxText, t.RootName),
			Rootless: t.RootService == "" && t.RootName == "", Undecided: foundUndecided(t),
			Duration: durationText(uint64(max(t.Duration, 0))),
			Width:    percent(float64(t.Duration) / float64(longest)),
		}
		row.Link = traceLink(row.ID, tenant)
		services := slices.Clone(t.Services)
		slices.SortFunc(services, func(a, b traceql.Service) int {
			return cmp.Or(cmp.Compare(b.Spans, a.Spans), cmp.Compare(a.Name, b.Name))
		})
		for _, s := range services {
			row.Spans += s.Spans
			row.Errors += s.Errors
			if len(row.Services) < mostServices {
				row.Services = append(row.Services, serviceCount{cutTo(60, s.Name), s.Spans, s.Errors})
			} else {
				row.MoreServices++
			}
		}
		for _, s := range t.SpanSets {
			row.Matched += s.Matched
		}
		if page.empty() {
			row.Matched = 0 // that all spans match is nothing to say
		}
		page.Found = append(page.Found, row)
	}
}

// percent is a share as SVG takes it.
func percent(share float64) string {
	if math.IsNaN(share) {
		share = 0
	}
	return strconv.FormatFloat(100*min(max(share, 0), 1), 'f', 2, 64) + "%"
}
