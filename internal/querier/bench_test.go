package querier

import (
	"fmt"
	"testing"
	"time"

	"appliance/internal/block/blocktest"
	"appliance/internal/blockstore"
	"appliance/internal/otlpwire"
	"appliance/internal/readapi"
	"appliance/internal/spool"
	"appliance/internal/traceql"
)

// BenchmarkQuery asks a store of blocks of 100,000 spans.
func BenchmarkQuery(b *testing.B) {
	for _, blocks := range []int{1, 4} {
		const spans = 100_000
		w := worldOf(b, 1, blockstore.Options{CutAfter: time.Hour, MergeAfter: time.Hour, CutSpans: spans})
		var ids []traceID
		for n := range blocks {
			load := blocktest.NewLoad(uint64(n+1), spans)
			for {
				record, spans := load.Next()
				if record == nil {
					break
				}
				if len(ids) < 1000 {
					_, _ = new(otlpwire.Limits).Walk(record, func(s *otlpwire.Span) { ids = append(ids, traceID(s.TraceID)) })
				}
				if _, err := w.spool.Append(spool.Record{Tenant: "t", Spans: spans, Time: time.Now(), Payload: record}); err != nil {
					b.Fatal(err)
				}
			}
		}
		for w.store.Status().Blocks < blocks {
			time.Sleep(10 * time.Millisecond)
		}
		b.Run(fmt.Sprintf("%d blocks/trace", blocks), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				got, err := w.querier.Trace(b.Context(), readapi.TraceRequest{Tenant: "t", ID: ids[i%len(ids)]})
				if err != nil || got.Trace == nil {
					b.Fatal(got, err)
				}
			}
		})
		for _, text := range []string{
			"{}", "{ status = error }", "{ span.customer.id = 12345 }", "{ span.url.path =~ `/api/v2/orders/.*777` }", "{ name =~ `.*a.*` }", "{ span.nothing = `x` }", "{ } >> { status = error }", "{ } | count() > 3",
		} {
			q, err := traceql.Parse(text)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%d blocks/%s", blocks, text), func(b *testing.B) {
				for b.Loop() {
					got, err := w.querier.Search(b.Context(), readapi.SearchRequest{Tenant: "t", Query: q, Limit: 20, SpansPerSet: 3}, nil)
					if err != nil || len(got.Missing) > 0 {
						b.Fatal(got, err)
					}
				}
			})
		}
		for _, text := range []string{"{} | rate() by (resource.service.name)", "{} | quantile_over_time(duration, .5, .99)"} {
			q, err := traceql.Parse(text)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%d blocks/%s", blocks, text), func(b *testing.B) {
				for b.Loop() {
					got, err := w.querier.Metrics(b.Context(), readapi.MetricsRequest{
						Tenant: "t", Query: q, Start: 1, End: 1 << 61, Step: 1 << 54,
					})
					if err != nil || len(got.Missing) > 0 {
						b.Fatal(got, err)
					}
				}
			})
		}
		b.Run(fmt.Sprintf("%d blocks/values", blocks), func(b *testing.B) {
			for b.Loop() {
				got, err := w.querier.TagValues(b.Context(), readapi.TagValuesRequest{
					Tenant: "t", Attribute: &traceql.Attribute{Scope: traceql.ScopeResource, Name: "service.name"},
				})
				if err != nil || len(got.Values) == 0 {
					b.Fatal(got, err)
				}
			}
		})
		w.stop()
	}
}
