package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"appliance/e2e/internal/harness"
)

// TestStreamingSearch searches as Grafana does with streaming on: gRPC without
// TLS on the port of the read API.
func TestStreamingSearch(t *testing.T) {
	a := harness.Start(t, harness.Options{})
	request, ids := harness.NewRequest("streamed", 10, 2)
	if answer, err := a.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("send: %v, %+v", err, answer)
	}
	conn, err := grpc.NewClient(a.Read, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	querier := tempopb.NewStreamingQuerierClient(conn)

	harness.Eventually(t, harness.FoundPatience, "traces in a streaming search", func() error {
		found, err := streamSearch(t.Context(), querier, `{ resource.service.name = "streamed" }`)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if !found[id] {
				return fmt.Errorf("trace %s is not among the %d found", id, len(found))
			}
		}
		return nil
	})
	harness.Eventually(t, harness.FoundPatience, "tag values in a stream", func() error {
		return streamServices(t.Context(), querier, "streamed")
	})
}

func streamSearch(ctx context.Context, q tempopb.StreamingQuerierClient, traceQL string) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	now := time.Now()
	stream, err := q.Search(ctx, &tempopb.SearchRequest{
		Query: traceQL, Limit: 100,
		Start: uint32(now.Add(-time.Hour).Unix()), End: uint32(now.Add(time.Minute).Unix()),
	})
	if err != nil {
		return nil, fmt.Errorf("open search stream: %w", err)
	}
	found := map[string]bool{}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read search stream: %w", err)
		}
		for _, m := range part.Traces {
			found[harness.PadTraceID(m.TraceID)] = true
		}
	}
}

func streamServices(ctx context.Context, q tempopb.StreamingQuerierClient, want string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	stream, err := q.SearchTagValuesV2(ctx, &tempopb.SearchTagValuesRequest{TagName: "resource.service.name"})
	if err != nil {
		return fmt.Errorf("open tag value stream: %w", err)
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("no service %q in the stream", want)
		}
		if err != nil {
			return fmt.Errorf("read tag value stream: %w", err)
		}
		for _, v := range part.TagValues {
			if v.Value == want {
				return nil
			}
		}
	}
}
