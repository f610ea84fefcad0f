package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/grafana/tempo/pkg/tempopb"
	"github.com/spf13/cobra"

	"appliance/internal/otlpjson"
	"appliance/internal/readapi"
)

const (
	askLimit = 60 * time.Second // for an answer about traces
	maxTrace = 1 << 30          // bytes of a trace
)

func newTraceCommand() *cobra.Command {
	var reach clientFlags
	var tenant string
	c := &cobra.Command{
		Use:   "trace TRACE_ID",
		Short: "Print a trace of a running appliance, as a tree or as OTLP JSON",
		Long: `Ask a running appliance for a trace: the spans by parent and start, each with the time since the trace began, its
duration, service, name and status. It is looked for among spans that are in no block yet, in blocks and in the archive.
A TRACE_ID of fewer than 32 digits has zeros in front. The JSON is OTLP's, so that it can be sent to any receiver again.

Exit code 1 says that there is no such trace; 3 that it may lack spans.`,
		Example: `  appliance trace 2f7ebd43a1f1e1a1d1b6d1c9a6c0c1d2
  appliance trace 2f7ebd43a1f1e1a1d1b6d1c9a6c0c1d2 -o json --url http://tracing:3200`,
		Args: cobra.ExactArgs(1),
	}
	reach.add(c)
	c.Flags().StringVar(&tenant, "tenant", "", "tenant that has the trace, where there are several")
	reach.completeTenant(c)
	output := addOutputFlag(c, reportOutputs)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		output, err := output()
		if err != nil {
			return err
		}
		id, err := traceIDOf(cmd, args[0])
		if err != nil {
			return err
		}
		from, err := reach.open(cmd)
		if err != nil {
			return err
		}
		from.tenant = tenant
		ctx, cancel := context.WithTimeout(cmd.Context(), askLimit)
		defer cancel()
		found, missing, err := from.trace(ctx, id)
		switch {
		case err != nil:
			return err
		case found == nil && missing != "":
			return &codeError{exitPartial, fmt.Errorf("trace %x is in nothing that could be read: %s", id, missing)}
		case found == nil:
			return fmt.Errorf("trace %x is not here; %s/trace/%x says what may be the reason", id, from.shown, id)
		case output == "json":
			err = otlpjson.Write(cmd.OutOrStdout(), found)
		default:
			err = writeTraceTree(cmd.OutOrStdout(), fmt.Sprintf("%x", id), orSingle(tenant), "the appliance", found)
		}
		if err == nil && missing != "" {
			return &codeError{exitPartial, fmt.Errorf("the trace may lack spans: %s", missing)}
		}
		return err
	}
	return addConfigFlags(c, "http.listen")
}

func orSingle(tenant string) string {
	if tenant == "" {
		return readapi.SingleTenant
	}
	return tenant
}

// trace asks for a trace; nil where there is none. Missing says why it may lack
// spans, empty where it does not.
func (c *asker) trace(ctx context.Context, id [16]byte) (found *tempopb.Trace, missing string, err error) {
	a, err := c.get(ctx, fmt.Sprintf("/api/traces/%x", id), maxTrace, "application/protobuf")
	if err != nil {
		return nil, "", err
	}
	missing = a.header.Get(readapi.PartialHeader)
	if a.status == http.StatusNotFound || a.status == http.StatusServiceUnavailable && missing != "" {
		return nil, missing, nil
	}
	if err := a.trouble(); err != nil {
		return nil, "", err
	}
	found = &tempopb.Trace{}
	if err := proto.Unmarshal(a.body, found); err != nil {
		return nil, "", fmt.Errorf("read the trace that %s has sent: %w", c.shown, err)
	}
	return found, missing, nil
}

// traceIDOf reads the argument TRACE_ID; one of fewer than 32 digits has zeros in
// front.
func traceIDOf(c *cobra.Command, text string) (id [16]byte, err error) {
	if id, err = readapi.ParseTraceID(text); err != nil || text == "" {
		return id, wrongUsage(c, fmt.Errorf("%q is not a trace id, which is 1 to 32 hexadecimal digits", text))
	}
	return id, nil
}
