package oracle

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// sampled is what a faultless appliance makes of what a Tail sent: all that came
// until now is decided now.
type sampled struct {
	found    map[place][]int
	verdicts map[[16]byte][]written
	account  harness.Ledger
}

func sample(w *Tail) *sampled {
	s := &sampled{map[place][]int{}, map[[16]byte][]written{}, harness.Ledger{SampledOut: map[string]int64{}}}
	now := time.Now().Add(2 * clocks)
	rules := w.terms[len(w.terms)-1].rules
	for i, spans := range w.traces {
		trace := uint64(i) + 1
		var facts fact
		for index, sent := range spans {
			if answered(sent) {
				facts |= w.factOf(place{trace, uint32(index)})
			}
		}
		r := rules.decides(facts)
		id := w.f.traceID(trace)
		s.verdicts[id] = []written{{rule: r.name, threshold: r.threshold(), at: now}}
		for index, sent := range spans {
			for source, one := range sent {
				if one.acked.IsZero() {
					continue
				}
				s.account.Received++
				if binary.BigEndian.Uint64(id[8:])%allRandomness < r.threshold() {
					s.account.SampledOut[r.name]++
					continue
				}
				s.account.Kept++
				s.account.Proven++
				p := place{trace, uint32(index)}
				s.found[p] = append(s.found[p], source)
			}
		}
	}
	return s
}

// by returns a trace that a rule decided and no other could, its id, and a span
// of it that was answered 200.
func (s *sampled) by(t *testing.T, w *Tail, rule string) (trace uint64, id [16]byte, p place) {
	t.Helper()
	asks := map[string]fact{"errors": failed, "slow": slow, "health": ping, "rest": nothing}[rule]
	for i, spans := range w.traces {
		trace, id = uint64(i)+1, w.f.traceID(uint64(i)+1)
		if s.verdicts[id][0].rule != rule || w.facts(trace) != asks {
			continue
		}
		for index, sent := range spans {
			if answered(sent) {
				return trace, id, place{trace, uint32(index)}
			}
		}
	}
	t.Fatalf("no trace is decided by rule %s", rule)
	return
}

// A Tail sees each kind of fault, and none where there is none.
func TestTailJudge(t *testing.T) {
	w := tailSent(t)
	for _, c := range []struct {
		name  string
		spoil func(*sampled)
		want  func(*TailVerdict) bool
	}{
		{"nothing", func(*sampled) {}, func(v *TailVerdict) bool { return v.Clean() && v.Kept > 0 && v.Kept < v.Traces }},
		{"a span is gone", func(s *sampled) {
			for p := range s.found {
				if _, more := s.found[place{p.trace, p.index + 1}]; more {
					delete(s.found, p)
					return
				}
			}
		}, func(v *TailVerdict) bool { return v.Incomplete == 1 && v.Lost+v.Wrong == 0 }},
		{"a trace is gone", func(s *sampled) {
			trace, _, _ := s.by(t, w, "errors")
			for p := range s.found {
				if p.trace == trace {
					delete(s.found, p)
				}
			}
		}, func(v *TailVerdict) bool { return v.Lost == 1 && v.Incomplete+v.Wrong == 0 }},
		{"a span leaks", func(s *sampled) {
			_, _, p := s.by(t, w, "health")
			s.found[p] = []int{0}
		}, func(v *TailVerdict) bool { return v.Leaked == 1 && v.Wrong == 0 }},
		{"another rule decides", func(s *sampled) {
			_, id, _ := s.by(t, w, "slow")
			s.verdicts[id][0].rule = "errors"
		}, func(v *TailVerdict) bool { return v.Wrong == 1 && v.Lost+v.Incomplete == 0 }},
		{"rules of another time decide", func(s *sampled) {
			_, id, _ := s.by(t, w, "slow")
			s.verdicts[id][0].rule = "late"
		}, func(v *TailVerdict) bool { return v.Wrong == 1 }},
		{"a threshold is another", func(s *sampled) {
			_, id, _ := s.by(t, w, "rest")
			s.verdicts[id][0].threshold++
		}, func(v *TailVerdict) bool { return v.Wrong == 1 }},
		{"a trace is decided before its spans came", func(s *sampled) {
			_, id, _ := s.by(t, w, "errors")
			s.verdicts[id][0].at = time.Now().Add(-time.Hour)
		}, func(v *TailVerdict) bool { return v.Wrong == 1 }},
		{"a trace is not decided", func(s *sampled) {
			_, id, _ := s.by(t, w, "health")
			delete(s.verdicts, id)
		}, func(v *TailVerdict) bool { return v.Undecided == 1 }},
		{"a trace is decided twice", func(s *sampled) {
			_, id, _ := s.by(t, w, "slow")
			s.verdicts[id] = append(s.verdicts[id], s.verdicts[id]...)
		}, func(v *TailVerdict) bool { return v.Again == 1 }},
		{"what a rule left out counts twice", func(s *sampled) {
			s.account.SampledOut["health"] += 10_000
			s.account.Received += 10_000
		}, func(v *TailVerdict) bool { return v.Account == 1 }},
		{"what is proven counts twice", func(s *sampled) {
			s.account.Kept, s.account.Proven, s.account.Received = 2*s.account.Kept, 2*s.account.Kept, s.account.Received+s.account.Kept
		}, func(v *TailVerdict) bool { return v.Account == 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sample(w)
			c.spoil(s)
			v := TailVerdict{}
			w.conclude(&v, s.found, s.verdicts, s.account)
			if !c.want(&v) || v.Clean() != (c.name == "nothing") {
				t.Errorf("%s; %s", &v, strings.Join(v.Examples, "; "))
			}
		})
	}
}

// A Tail sees what is wrong with a span that it finds.
func TestTailSees(t *testing.T) {
	w := tailSent(t)
	p := w.firstSent(t)
	for _, c := range []struct {
		name  string
		spoil func(*content)
		want  TailVerdict
	}{
		{"nothing", func(*content) {}, TailVerdict{}},
		{"another name", func(c *content) { c.name = "x" }, TailVerdict{Corrupted: 1}},
		{"another trace", func(c *content) { c.number++ }, TailVerdict{Invented: 1}},
		{"another span", func(c *content) { c.spanID[0]++ }, TailVerdict{Invented: 1}},
	} {
		v, span := TailVerdict{}, w.span(p)
		c.spoil(&span)
		w.see(&v, map[place][]int{}, 0, span)
		if v.Corrupted != c.want.Corrupted || v.Invented != c.want.Invented || v.Duplicated != 0 {
			t.Errorf("%s: %s", c.name, &v)
		}
	}
	v, found := TailVerdict{}, map[place][]int{}
	for range w.traces[p.trace-1][p.index] {
		w.see(&v, found, len(found[p]), w.span(p))
	}
	if v.Duplicated != 0 {
		t.Errorf("as often as it was sent: %s", &v)
	}
	if w.see(&v, found, 100, w.span(p)); v.Duplicated != 1 {
		t.Errorf("once more than it was sent: %s", &v)
	}
}

// firstSent is a span that was sent: some wait until the end.
func (w *Tail) firstSent(t *testing.T) place {
	t.Helper()
	for i, spans := range w.traces {
		for index, sent := range spans {
			if len(sent) > 0 {
				return place{uint64(i) + 1, uint32(index)}
			}
		}
	}
	t.Fatal("nothing was sent")
	return place{}
}

// tailSent has sent some thousand spans, of which half the requests were refused
// first.
func tailSent(t *testing.T) *Tail {
	t.Helper()
	w, n := NewTail(t, 20), 0
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		w.mu.Lock()
		n++
		refuse := n%4 == 0
		w.mu.Unlock()
		if refuse {
			rw.Header().Set("Retry-After", "1")
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	w.Target(server.URL)
	w.Rules(PingsFirst())
	w.Rules(ErrorsFirst())
	w.Settled()
	load := w.Start(4, 400)
	harness.Eventually(t, time.Minute, "spans that were sent, and some again", func() error {
		if c := w.Counts(); c.Acked < 10_000 || c.Answers[http.StatusServiceUnavailable] < 10 {
			return fmt.Errorf("%+v", c)
		}
		return nil
	})
	load.Stop()
	if c := w.Counts(); len(c.Wrong) > 0 {
		t.Error(c.Wrong)
	}
	return w
}
