package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gogo/protobuf/jsonpb"
	"github.com/grafana/tempo/pkg/tempopb"
	commonv1 "github.com/grafana/tempo/pkg/tempopb/common/v1"
	"github.com/spf13/cobra"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// spansPerSet is how many spans are printed of each span set, as in Tempo.
const spansPerSet = 3

// foundTrace is a trace that matches: Tempo's own fields, and its tenant.
type foundTrace struct {
	tenant string
	*tempopb.TraceSearchMetadata
}

func (t foundTrace) MarshalJSON() ([]byte, error) {
	text, err := new(jsonpb.Marshaler).MarshalToString(t.TraceSearchMetadata)
	if err != nil {
		return nil, err
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		return nil, err
	}
	delete(fields, "spanSet") // an older name of the first of spanSets
	if fields["tenant"], err = json.Marshal(t.tenant); err != nil {
		return nil, err
	}
	return json.Marshal(fields)
}

// matched is how many spans of the trace match.
func (t foundTrace) matched() (n int64) {
	for _, s := range t.SpanSets {
		n += int64(s.Matched)
	}
	return n
}

func newArchiveSearchCommand(f *archiveFlags) *cobra.Command {
	var chosen periodFlags
	var limit int
	c := &cobra.Command{
		Use:   "search 'TRACEQL'",
		Short: "Search the archived traces by TraceQL",
		Long: `Search the archived traces by TraceQL and print those that match, the newest first. Without --since and --until all of the archive is
searched. Where more match than --limit, the newest are printed. The JSON has the fields of Tempo's search API, and the tenant.

Exit code 3 says that some blocks could not be read, so that traces may be missing.`,
		Example: `  appliance archive search '{ status = error }' --since 7d
  appliance archive search '{ resource.service.name = "shop" && duration > 1s }' --since 2026-11-22T15:00:00Z --until 2026-11-22T16:00:00Z --limit 100
  appliance archive search '{ name = "GET /orders" }' -o jsonl | jq -r .traceID`,
		Args: cobra.MatchAll(cobra.ExactArgs(1), checkTraceQL),
	}
	chosen.add(c, "traces that have spans at this TIME or after it", "traces that have spans at this TIME or before it")
	c.Flags().IntVar(&limit, "limit", readapi.DefaultLimit, fmt.Sprintf("most traces to print, up to %d", readapi.MaxLimit))
	return f.command(c, needsStore, listOutputs, func(ctx context.Context, a *openedArchive, out io.Writer, args []string) error {
		if limit < 1 || limit > readapi.MaxLimit {
			return wrongUsage(c, fmt.Errorf("--limit %d is not between 1 and %d", limit, readapi.MaxLimit))
		}
		since, until, err := chosen.times(time.Now())
		if err != nil {
			return err
		}
		tenants, err := a.askedTenants(ctx, chosen.tenant)
		if err != nil {
			return err
		}
		query, err := traceql.Parse(args[0])
		if err != nil {
			return err // checkTraceQL has read it
		}
		q := a.querier()
		defer q.Close()
		req := readapi.SearchRequest{Query: query, Limit: limit, SpansPerSet: spansPerSet, Range: unixRange(since, until)}
		var found []foundTrace
		unread := 0
		for _, req.Tenant = range tenants {
			answer, err := q.Search(ctx, req, nil)
			if err != nil {
				return err
			}
			for _, why := range answer.Missing {
				fmt.Fprintln(a.stderr, why)
			}
			unread += len(answer.Missing)
			for _, t := range answer.Traces {
				m := readapi.FoundMessage(t)
				sortAttributes(m)
				found = append(found, foundTrace{req.Tenant, m})
			}
		}
		slices.SortStableFunc(found, newestFirst)
		found = found[:min(len(found), limit)]
		err = writeList(out, a.output, found, func(t *tabwriter.Writer, wide bool) { foundTable(t, wide, found) })
		if err == nil && unread > 0 {
			return &codeError{exitPartial, errors.New("not everything could be searched, so that traces may be missing; see: appliance archive verify --read-data")}
		}
		if err == nil && len(found) == 0 {
			fmt.Fprintf(a.stderr, "no trace in %s matches\n", a.store.URL())
		}
		return err
	})
}

// checkTraceQL refuses what is no query for spans, whether or not there is anything
// to search.
func checkTraceQL(_ *cobra.Command, args []string) error {
	query, err := traceql.Parse(args[0])
	if err == nil {
		_, err = traceql.NewSearch(query, traceql.SearchOptions{})
	}
	if err != nil {
		return &argumentError{fmt.Errorf("%q is not TraceQL: %w", args[0], err)}
	}
	return nil
}

// sortAttributes brings those of each span, which Tempo keeps in a map, into an order.
func sortAttributes(t *tempopb.TraceSearchMetadata) {
	for _, set := range t.SpanSets {
		for _, span := range set.Spans {
			slices.SortFunc(span.Attributes, func(x, y *commonv1.KeyValue) int { return strings.Compare(x.Key, y.Key) })
		}
	}
}

func newestFirst(x, y foundTrace) int {
	switch {
	case x.StartTimeUnixNano > y.StartTimeUnixNano:
		return -1
	case x.StartTimeUnixNano < y.StartTimeUnixNano:
		return 1
	}
	return strings.Compare(x.TraceID, y.TraceID)
}

func foundTable(t *tabwriter.Writer, wide bool, found []foundTrace) {
	cells := []string{"TRACE ID", "START", "DURATION", "SPANS", "SERVICE", "NAME"}
	if wide {
		cells = append([]string{"TENANT"}, cells...)
	}
	row(t, cells...)
	for _, f := range found {
		cells := []string{
			strings.Repeat("0", max(0, 32-len(f.TraceID))) + f.TraceID, time.Unix(0, int64(f.StartTimeUnixNano)).UTC().Format("2006-01-02T15:04:05.000Z"), (time.Duration(f.DurationMs) * time.Millisecond).String(),
			countText(f.matched()), orDash(printable(f.RootServiceName)), orDash(printable(f.RootTraceName)),
		}
		if wide {
			cells = append([]string{f.tenant}, cells...)
		}
		row(t, cells...)
	}
}
