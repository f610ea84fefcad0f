package e2e

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"appliance/e2e/internal/harness"
)

const tailRules = `[{name: errors, when: "{ status = error }", keep: all}, {name: slow, when: "{ traceDuration > 2s }", keep: all}, ` +
	`{name: health, when: "{ name = \"GET /ping\" }", keep: none}, {name: rest, keep: 0.25}]`

// tailed is what was sent to an appliance with these rules, and what has to become of it.
type tailed struct {
	must map[string]int // spans of the traces that are to be kept
	not  map[string]int // and of those that are not
	left map[string]int64
	sent int64
}

// tailParts makes traces in two requests: the second has what decides about many of them.
func (w *tailed) tailParts(n int) (first, second *collector.ExportTraceServiceRequest) {
	first, ids := harness.NewRequest("shop", n, 3)
	spans := first.ResourceSpans[0].ScopeSpans[0].Spans
	second, _ = harness.NewRequest("shop", 1, 1)
	scope := second.ResourceSpans[0].ScopeSpans[0]
	first.ResourceSpans[0].ScopeSpans[0].Spans, scope.Spans = nil, nil
	for i, id := range ids {
		of, rule := spans[3*i:3*i+3], "rest"
		last := of[2]
		switch i % 4 {
		case 0:
			last.Status, rule = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR}, "errors"
		case 1:
			last.EndTimeUnixNano += 5e9
			rule = "slow"
		case 2:
			last.Name, rule = "GET /ping", "health"
		}
		raw, _ := hex.DecodeString(id)
		if keep := rule == "errors" || rule == "slow" || rule == "rest" && raw[9] >= 0xc0; keep {
			w.must[id] = 3
		} else {
			w.not[id] = 3
			w.left[rule] += 3
		}
		first.ResourceSpans[0].ScopeSpans[0].Spans = append(first.ResourceSpans[0].ScopeSpans[0].Spans, of[:2]...)
		scope.Spans = append(scope.Spans, last)
	}
	return first, second
}

func (w *tailed) export(t *testing.T, a *harness.Appliance, r *collector.ExportTraceServiceRequest) {
	t.Helper()
	answer, err := a.Export(t.Context(), r)
	if err != nil || answer.Status != http.StatusOK {
		t.Fatalf("export: %+v, %v", answer, err)
	}
	w.sent += int64(len(r.ResourceSpans[0].ScopeSpans[0].Spans))
}

// TestTailSampling kills an appliance between the parts of traces, and again
// and again while it decides. What the rules say must be kept is there as a
// whole, what they leave out is not, and each span is accounted for.
func TestTailSampling(t *testing.T) {
	t.Run("stored here", func(t *testing.T) {
		t.Parallel()
		w, a := tailSampled(t, harness.QuickBlocks())
		a.MustFind(t, w.must)
		for id := range w.not {
			if n, err := a.SpanCount(t.Context(), id); err == nil && n > 0 {
				t.Errorf("trace %s has %d spans, and was left out", id, n)
			}
		}
	})
	t.Run("brought to a Tempo", func(t *testing.T) {
		t.Parallel()
		b := harness.NewBackend(t)
		env := b.Env()
		env["APPLIANCE_FORWARDER_SETTLE"] = "1s"
		w, _ := tailSampled(t, env)
		if got := b.Traces(); !maps.Equal(got, w.must) {
			t.Errorf("the backend got %d traces, want %d", len(got), len(w.must))
			for id, n := range got {
				if n != w.must[id] {
					t.Errorf("trace %s: %d spans, want %d", id, n, w.must[id])
				}
			}
		}
	})
}

func tailSampled(t *testing.T, env map[string]string) (*tailed, *harness.Appliance) {
	w := &tailed{must: map[string]int{}, not: map[string]int{}, left: map[string]int64{}}
	dir := ""
	start := func(wait string) *harness.Appliance {
		e := maps.Clone(env)
		e["APPLIANCE_TAIL_RULES"], e["APPLIANCE_TAIL_DECISION_WAIT"] = tailRules, wait
		a := harness.Start(t, harness.Options{DataDir: dir, Env: e})
		dir = a.DataDir
		return a
	}
	// Nothing is decided in these lives.
	a := start("1h")
	var later []*collector.ExportTraceServiceRequest
	for range 4 {
		for range 5 {
			first, second := w.tailParts(40)
			w.export(t, a, first)
			later = append(later, second)
		}
		a.Kill(t)
		a = start("1h")
		for _, r := range later[:len(later)/2] {
			w.export(t, a, r)
		}
		later = later[len(later)/2:]
	}
	for _, r := range later {
		w.export(t, a, r)
	}
	var status harness.Status
	// What is in the spool is undecided as soon as tail sampling has read it.
	harness.Eventually(t, time.Minute, "all is undecided", func() (err error) {
		if status, err = a.Status(context.Background()); err != nil {
			return err
		}
		if l := status.Ledger; l.Undecided != w.sent || l.Kept != w.sent || l.Pending != w.sent {
			return fmt.Errorf("the account is %+v, and %d spans were sent", l, w.sent)
		}
		return nil
	})
	// In these it is killed while it decides, and while what is left becomes blocks.
	for range 6 {
		a.Kill(t)
		a = start("100ms")
		first := status.Ledger
		harness.Eventually(t, time.Minute, "something is decided", func() error {
			s, err := a.Status(context.Background())
			switch {
			case err != nil:
				return err
			case s.Ledger.Undecided == first.Undecided && first.Undecided > 0:
				return errors.New("nothing yet")
			}
			return nil
		})
	}
	harness.Eventually(t, 2*time.Minute, "all of it is decided and proven", func() error {
		s, err := a.Status(context.Background())
		if err != nil {
			return err
		}
		if l := s.Ledger; l.Pending > 0 || l.Undecided > 0 {
			return fmt.Errorf("pending %d, undecided %d", l.Pending, l.Undecided)
		}
		return nil
	})
	// A late span shares the verdict, whatever it would be by itself.
	a.Kill(t)
	a = start("100ms")
	late := &collector.ExportTraceServiceRequest{}
	for of, bad := range map[string]bool{first(w.must): false, first(w.not): true} {
		r, _ := harness.NewRequest("late", 1, 1)
		s := r.ResourceSpans[0].ScopeSpans[0].Spans[0]
		s.TraceId, _ = hex.DecodeString(of)
		s.ParentSpanId = s.SpanId[:8:8]
		if bad {
			s.Status = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR}
		}
		late.ResourceSpans = append(late.ResourceSpans, r.ResourceSpans...)
		w.sent++
	}
	w.must[first(w.must)]++
	if answer, err := a.Export(t.Context(), late); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("export: %+v, %v", answer, err)
	}
	kept := int64(0)
	for _, n := range w.must {
		kept += int64(n)
	}
	harness.Eventually(t, 2*time.Minute, "the late spans are decided and proven", func() error {
		s, err := a.Status(context.Background())
		if err != nil {
			return err
		}
		if l := s.Ledger; l.Pending > 0 || l.Received != w.sent {
			return fmt.Errorf("pending %d, received %d of %d", l.Pending, l.Received, w.sent)
		}
		return nil
	})
	l := a.Account(t)
	left := l.SampledOut["health"] + l.SampledOut["rest"]
	if l.Kept != kept || l.Proven != kept || l.Unaccounted != 0 || left != w.sent-kept || l.SampledOut["errors"]+l.SampledOut["slow"] != 0 {
		t.Errorf("of %d spans sent %d are to be kept: %+v", w.sent, kept, l)
	}
	return w, a
}

// first is the least of the keys, so that it is always the same one.
func first(m map[string]int) (least string) {
	for k := range m {
		if least == "" || k < least {
			least = k
		}
	}
	return least
}
