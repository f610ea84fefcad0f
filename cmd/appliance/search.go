package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/gogo/protobuf/jsonpb"
	"github.com/grafana/tempo/pkg/tempopb"
	"github.com/spf13/cobra"

	"appliance/internal/readapi"
)

// maxSearchAnswer is how many bytes the answer of a search may have.
const maxSearchAnswer = 256 << 20

func newSearchCommand() *cobra.Command {
	var reach clientFlags
	var chosen periodFlags
	var limit int
	c := &cobra.Command{
		Use:   "search 'TRACEQL'",
		Short: "Search the traces of a running appliance by TraceQL",
		Long: `Ask a running appliance for the traces that match a TraceQL query and print them, the newest first: those that are in no
block yet, in blocks and in the archive. Without --since and --until all time is searched. Where more match than --limit,
the newest are printed. The JSON has the fields of Tempo's search API, and the tenant.

Exit code 3 says that not everything could be searched, so that traces may be missing.`,
		Example: `  appliance search '{ status = error }' --since 1h
  appliance search '{ resource.service.name = "shop" && duration > 1s }' --limit 100 -o wide
  appliance search '{ name = "GET /orders" }' -o jsonl | jq -r .traceID`,
		Args: cobra.MatchAll(cobra.ExactArgs(1), checkTraceQL),
	}
	reach.add(c)
	chosen.add(c, "traces that have spans at this TIME or after it", "traces that have spans at this TIME or before it")
	c.Flags().IntVar(&limit, "limit", readapi.DefaultLimit, fmt.Sprintf("most traces to print, up to %d", readapi.MaxLimit))
	reach.completeTenant(c)
	output := addOutputFlag(c, listOutputs)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		output, err := output()
		if err != nil {
			return err
		}
		if limit < 1 || limit > readapi.MaxLimit {
			return wrongUsage(cmd, fmt.Errorf("--limit %d is not between 1 and %d", limit, readapi.MaxLimit))
		}
		now := time.Now()
		since, until, err := chosen.times(now)
		if err != nil {
			return err
		}
		from, err := reach.open(cmd)
		if err != nil {
			return err
		}
		from.tenant = chosen.tenant
		ctx, cancel := context.WithTimeout(cmd.Context(), askLimit)
		defer cancel()
		found, missing, err := from.search(ctx, args[0], limit, searchedRange(since, until, now))
		if err != nil {
			return err
		}
		err = writeList(cmd.OutOrStdout(), output, found, func(t *tabwriter.Writer, wide bool) { foundTable(t, wide, found) })
		if err == nil && missing != "" {
			return &codeError{exitPartial, errors.New("not everything could be searched, so that traces may be missing: " + missing)}
		}
		if err == nil && len(found) == 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "no trace matches")
		}
		return err
	}
	return addConfigFlags(c, "http.listen")
}

// searchedRange is a period as the read API takes it, which wants both ends.
func searchedRange(since, until, now time.Time) readapi.Range {
	if since.IsZero() && until.IsZero() {
		return readapi.Range{}
	}
	if until.IsZero() {
		until = now.Add(time.Second)
	}
	return readapi.Range{Start: uint32(max(1, since.Unix())), End: uint32(until.Unix())}
}

// search asks for traces. Missing says why some may not be among them, empty
// where all are.
func (c *asker) search(ctx context.Context, query string, limit int, r readapi.Range) (found []foundTrace, missing string, err error) {
	q := url.Values{"q": {query}, "limit": {strconv.Itoa(limit)}, "spss": {strconv.Itoa(spansPerSet)}}
	if r != (readapi.Range{}) {
		q.Set("start", strconv.FormatUint(uint64(r.Start), 10))
		q.Set("end", strconv.FormatUint(uint64(r.End), 10))
	}
	a, err := c.get(ctx, "/api/search?"+q.Encode(), maxSearchAnswer, "application/json")
	if err != nil {
		return nil, "", err
	}
	if a.status == http.StatusBadRequest {
		return nil, "", fmt.Errorf("the appliance does not take the question: %s", bytes.TrimSpace(a.body))
	}
	if err := a.trouble(); err != nil {
		return nil, "", err
	}
	var answer tempopb.SearchResponse
	if err := jsonpb.Unmarshal(bytes.NewReader(a.body), &answer); err != nil {
		return nil, "", fmt.Errorf("read what %s has found: %w", c.shown, err)
	}
	for _, t := range answer.Traces {
		sortAttributes(t)
		found = append(found, foundTrace{orSingle(c.tenant), t})
	}
	slices.SortStableFunc(found, newestFirst)
	return found, a.header.Get(readapi.PartialHeader), nil
}
