package otlpwire

import (
	"bytes"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// TestAllocations wants none, whatever the number of spans, given room for the
// result. One is let pass: a collection, or the race detector, may empty the pool.
func TestAllocations(t *testing.T) {
	var l Limits
	state := []byte("ot=th:e666")
	keepAll := func(*Span) Verdict { return keep }
	dropAll := func(*Span) Verdict { return drop }
	rewriteAll := func(*Span) Verdict { return Verdict{Keep: true, Rewrite: true, TraceState: state} }
	watch := func(*Span) {}
	for _, spans := range []int{1, 100, 10_000} {
		body := benchRequest(t, spans)
		req := ptraceotlp.NewExportRequest()
		if err := req.UnmarshalProto(body); err != nil {
			t.Fatal(err)
		}
		inJSON, err := req.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		several := request(bytes.Repeat(span(ids(1), text(3, "a=1"), text(3, "b=2")), spans))
		dst := make([]byte, 0, 2*len(inJSON))
		for name, do := range map[string]func() error{
			"keep all":        func() error { _, _, err := l.Filter(dst, body, keepAll); return err },
			"drop all":        func() error { _, _, err := l.Filter(dst, body, dropAll); return err },
			"rewrite all":     func() error { _, _, err := l.Filter(dst, body, rewriteAll); return err },
			"rewrite several": func() error { _, _, err := l.Filter(dst, several, rewriteAll); return err },
			"walk":            func() error { _, err := l.Walk(body, watch); return err },
			"json":            func() error { _, err := l.FromJSON(dst, inJSON); return err },
		} {
			if err := do(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			runs := 1 + 10_000/spans
			if allocs := testing.AllocsPerRun(min(runs, 100), func() { _ = do() }); allocs > 1 {
				t.Errorf("%s of %d spans allocates %v times", name, spans, allocs)
			}
		}
	}
}
