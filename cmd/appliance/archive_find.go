package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"appliance/archive/read"
	"appliance/internal/otlpjson"
	"appliance/internal/querier"
	"appliance/internal/readapi"
	"appliance/internal/telemetry"
)

func newArchiveFindCommand(f *archiveFlags) *cobra.Command {
	var chosen periodFlags
	c := &cobra.Command{
		Use:   "find TRACE_ID",
		Short: "Print an archived trace, as a tree or as OTLP JSON",
		Long: `Print a trace of the archive: the spans by parent and start, each with the time since the trace began, its duration, service,
name and status. Spans whose parent is not in the archive stand at the end, under it. A TRACE_ID of fewer than 32 digits has
zeros in front. The JSON is OTLP's, so that it can be sent to any receiver again; one line for each tenant that has the trace.

Exit code 1 says that there is no such trace; 3 that some blocks could not be read, so that spans may be missing.`,
		Example: `  appliance archive find 2f7ebd43a1f1e1a1d1b6d1c9a6c0c1d2
  appliance archive find 2f7ebd43a1f1e1a1d1b6d1c9a6c0c1d2 -o json | curl -H 'Content-Type: application/json' -d @- http://localhost:4318/v1/traces`,
		Args: cobra.ExactArgs(1),
	}
	chosen.add(c, "only blocks that end at this TIME or after it", "only blocks that start at this TIME or before it")
	return f.command(c, needsStore, reportOutputs, func(ctx context.Context, a *openedArchive, out io.Writer, args []string) error {
		id, err := traceIDOf(c, args[0])
		if err != nil {
			return err
		}
		since, until, err := chosen.times(time.Now())
		if err != nil {
			return err
		}
		tenants, err := a.askedTenants(ctx, chosen.tenant)
		if err != nil {
			return err
		}
		q := a.querier()
		defer q.Close()
		req := readapi.TraceRequest{ID: id, Range: unixRange(since, until)}
		found, partial := false, false
		for _, req.Tenant = range tenants {
			answer, err := q.Trace(ctx, req)
			if err != nil {
				return err
			}
			for _, why := range answer.Missing {
				partial = true
				fmt.Fprintln(a.stderr, why)
			}
			if answer.Trace == nil {
				continue
			}
			found = true
			if a.output == "json" {
				err = otlpjson.Write(out, answer.Trace)
			} else {
				err = writeTraceTree(out, fmt.Sprintf("%x", id), req.Tenant, "the archive", answer.Trace)
			}
			if err != nil {
				return err
			}
		}
		switch {
		case partial && found:
			return &codeError{exitPartial, errors.New("the trace may lack spans; see: appliance archive verify --read-data")}
		case partial:
			return &codeError{exitPartial, fmt.Errorf("trace %x is in no block that can be read; see: appliance archive verify --read-data", id)}
		case !found:
			return fmt.Errorf("trace %x is not in %s", id, a.store.URL())
		}
		return nil
	})
}

// askedTenants are all that the archive has, or the one that is asked for.
func (a *openedArchive) askedTenants(ctx context.Context, tenant string) ([]string, error) {
	all, err := a.Tenants(ctx)
	if err != nil || tenant == "" {
		return all, err
	}
	for _, t := range all {
		if t == tenant {
			return []string{t}, nil
		}
	}
	return nil, fmt.Errorf("there is no tenant %q in %s", tenant, a.store.URL())
}

// querier answers questions from the archive.
func (a *openedArchive) querier() *querier.Querier {
	logger, _ := telemetry.NewLogger(a.logLine, "warn", a.conf.Log.Format)
	return querier.New(querier.Options{Archive: read.New(a.store), Timeout: commandPatience, Logger: logger})
}

// commandPatience bounds a question of a command, which a person can end.
const commandPatience = 24 * time.Hour

// unixRange is a period in whole seconds: both 0 for all time.
func unixRange(since, until time.Time) (r readapi.Range) {
	if since.IsZero() && until.IsZero() {
		return r
	}
	r = readapi.Range{Start: 1, End: math.MaxUint32}
	if !since.IsZero() {
		r.Start = uint32(max(1, since.Unix()))
	}
	if !until.IsZero() {
		r.End = uint32(until.Unix())
	}
	return r
}
