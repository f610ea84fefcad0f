package querier

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// spanCount is how many spans a trace has.
func spanCount(tr *tempopb.Trace) (n int) {
	for _, rs := range tr.GetResourceSpans() {
		for _, ss := range rs.ScopeSpans {
			n += len(ss.Spans)
		}
	}
	return n
}

// everywhere is a trace of which spans are in the archive, in the store and in no
// block.
func everywhere(t *testing.T, w *world) traceID {
	t.Helper()
	id := traceID{0xee}
	for _, move := range []func(){func() { w.archiveSome(0, 100) }, func() {}} {
		w.append(oneSpan(t, id, byte(len(w.records)), 0))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		move()
	}
	w.append(oneSpan(t, id, byte(len(w.records)), 0))
	synctest.Wait()
	return id
}

// oneSpan is a request with a span that has an attribute of so many bytes.
func oneSpan(t *testing.T, id traceID, span byte, large int) []byte {
	t.Helper()
	td := ptrace.NewTraces()
	s := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	s.SetTraceID(pcommon.TraceID(id))
	s.SetSpanID(pcommon.SpanID{1, span})
	s.SetName("x")
	s.Attributes().PutStr("large", strings.Repeat(string('a'+rune(span%26)), large))
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	s.SetEndTimestamp(s.StartTimestamp() + 1)
	body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// A trace by id that does not fit has the spans that fit, wherever the rest is.
func TestATraceThatDoesNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 23)
		defer w.stop()
		const large, memory = 100 << 10, traceBytes * (150 << 10)
		id := traceID{0xee}
		ask := func(spans int) { // at least
			t.Helper()
			synctest.Wait()
			q := New(Options{Store: w.store, Archive: w.archive, TraceMemory: memory})
			defer q.Close()
			got, err := q.Trace(t.Context(), readapi.TraceRequest{Tenant: "t", ID: id})
			if err != nil || spanCount(got.Trace) < spans || got.Trace.Size() > memory/traceBytes || len(got.Missing) != 1 || !strings.Contains(got.Missing[0], "bytes of memory") {
				t.Errorf("%s: %d spans, missing %v, %v", w.places(), spanCount(got.Trace), got.Missing, err)
			}
		}
		for n := range byte(2 * recordsAtOnce) {
			w.append(oneSpan(t, id, n, large/recordsAtOnce))
		}
		ask(recordsAtOnce + 5) // and some of the next
		time.Sleep(10 * time.Minute)
		w.archiveSome(0, 100)
		w.append(oneSpan(t, id, 99, large))
		ask(1 + 5)
	})
}

// A trace that does not fit is named, and costs no other: neither what is put
// together beside it nor what is in one unit.
func TestALargeTraceCostsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 24)
		defer w.stop()
		const large, small = 0xee, 0x11
		for part := range byte(2) {
			for n := range byte(5) {
				w.append(oneSpan(t, traceID{small, n}, part, 0))
			}
			w.append(oneSpan(t, traceID{part, 1}, 0, 0)) // in one place
			// Of one id, so that they may be copies, and are read with all that they have.
			w.append(oneSpan(t, traceID{large}, 7, int(1+part)<<20))
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			w.archiveSome(0, 100)
		}
		q := New(Options{Store: w.store, Archive: w.archive, Memory: 4 << 20})
		defer q.Close()
		named := func(text string, missing readapi.Missing) {
			t.Helper()
			if len(missing) != 1 || !strings.Contains(missing[0], "trace ee00") {
				t.Errorf("%s: missing %v", text, missing)
			}
		}
		for text, want := range map[string]int{"{}": 7, "{} | count() > 1": 5} {
			query, err := traceql.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := q.Search(t.Context(), readapi.SearchRequest{Tenant: "t", Query: query, Limit: 400}, nil)
			if err != nil || len(got.Traces) != want {
				t.Errorf("%s: %s: %d traces, not %d: %v", w.places(), text, len(got.Traces), want, err)
				continue
			}
			if text == "{}" {
				named(text, got.Missing)
			}
		}
		query, err := traceql.Parse("{} | count() > 1 | count_over_time()")
		if err != nil {
			t.Fatal(err)
		}
		got, err := q.Metrics(t.Context(), readapi.MetricsRequest{
			Tenant: "t", Query: query, Start: w.spans.start - second, End: time.Now().UnixNano(), Step: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, s := range got.Series {
			for _, x := range s.Samples {
				sum += x.Value
			}
		}
		if sum != 10 {
			t.Errorf("%v spans of traces in several places, not 10", sum)
		}
		named("metrics", got.Missing)
	})
}
