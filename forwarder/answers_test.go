package forwarder

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

func code(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// hang answers nothing until the client gives up.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func reset(w http.ResponseWriter, _ *http.Request) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}

// endless answers 200 and then something for ever.
func endless(content string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := io.WriteString(w, content); err != nil {
				return
			}
		}
	}
}

// cutShort promises more than it sends.
func cutShort(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, "\x0a")
}

// Whatever Tempo answers instead of an acknowledgement, the spans are sent
// until it takes them, and are acknowledged once.
func TestIllTempo(t *testing.T) {
	for name, ill := range map[string]func(http.ResponseWriter, *http.Request){
		"429":                 code(429, "rate"),
		"500":                 code(500, "oops"),
		"503":                 code(503, ""),
		"401":                 code(401, "token"),
		"404":                 code(404, "<html>"),
		"302":                 func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"reset":               reset,
		"hanging":             hang,
		"a page with 200":     code(200, "<html><body>welcome</body></html>"),
		"JSON with 200":       code(200, `{"partialSuccess":{}}`),
		"endless page":        endless("<p>"),
		"endless OTLP":        endless("\x12\x00"),
		"a promise of a body": cutShort,
	} {
		t.Run(name, func(t *testing.T) {
			k, s := newTempo(t), openSpool(t, t.TempDir())
			var failed atomic.Int64
			k.answering(func(w http.ResponseWriter, r *http.Request, _ request) bool {
				if failed.Add(1) <= 2 {
					ill(w, r)
					return false
				}
				return true
			})
			for i := range 3 {
				keep(t, s, "a", upTo(10*i, 10)...)
			}
			o := k.options(s)
			if name == "hanging" {
				o.timeout = 500 * time.Millisecond
			}
			f, _ := k.start(o)
			eventually(t, "tempo takes all", func() bool { return f.Stats().AckedSpans == 30 })
			if st := f.Stats(); st.Failures != 2 || st.Requests != 3 || st.LastError == "" {
				t.Errorf("%+v; want 3 requests of which 2 failed", st)
			}
			empty(t, s)
			if c := k.charges(); len(c) != 0 {
				t.Errorf("charged as discarded: %v", c)
			}
			for span, n := range k.times() {
				if n != 3 {
					t.Errorf("span %v was sent %d times", span, n)
				}
			}
		})
	}
}

func TestNoTempo(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	keep(t, s, "a", upTo(0, 3)...)
	o := k.options(s)
	var asked atomic.Int64
	o.Target = func() (Target, error) {
		if asked.Add(1) < 5 {
			return Target{}, io.ErrUnexpectedEOF
		}
		return k.target()
	}
	k.start(o)
	k.gets(3)
	empty(t, s)
}

// Nothing is sent before the time that Tempo asks for.
func TestRetryAfter(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	var n atomic.Int64
	k.answering(func(w http.ResponseWriter, _ *http.Request, _ request) bool {
		if n.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return false
		}
		return true
	})
	keep(t, s, "a", upTo(0, 3)...)
	k.start(k.options(s))
	k.gets(6)
	if got := k.got(); got[1].at.Sub(got[0].at) < time.Second {
		t.Errorf("the second request came after %s, asked for was 1s", got[1].at.Sub(got[0].at))
	}
}

func TestRetryAfterHeader(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "0": 0, "7": 7 * time.Second, "-1": 0, "soon": 0, "86400": time.Minute} {
		h := http.Header{}
		h.Set("Retry-After", text)
		if got := retryAfter(h); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

// refusing answers 400 to requests with one of these spans.
func refusing(bad ...id) func(http.ResponseWriter, *http.Request, request) bool {
	return func(w http.ResponseWriter, _ *http.Request, got request) bool {
		for _, s := range got.spans {
			if slices.Contains(bad, s) {
				w.WriteHeader(http.StatusBadRequest)
				return false
			}
		}
		return true
	}
}

// A span that Tempo refuses does not hold back those beside it, wherever it
// stands, and is charged alone.
func TestPoisonedSpan(t *testing.T) {
	for _, at := range []int{0, 1, 49, 50, 63, 99} {
		t.Run(strconv.Itoa(at), func(t *testing.T) {
			k, s := newTempo(t), openSpool(t, t.TempDir())
			k.answering(refusing(numbered(at)))
			for i := range 10 {
				keep(t, s, "a", upTo(10*i, 10)...)
			}
			f, _ := k.start(k.options(s))
			eventually(t, "tempo takes all but one", func() bool { return f.Stats().AckedSpans == 99 })
			empty(t, s)
			eventually(t, "99 are proven", func() bool { return f.Stats().ProvenSpans == 99 })
			if c := k.charges(); len(c) != 1 || c["a/refused"] != 1 {
				t.Errorf("charged %v, want one refused", c)
			}
		})
	}
}

// The refused span is charged also when Tempo ends before the others are proven.
func TestPoisonedSpanAndEndedTempo(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	k.answering(refusing(numbered(5)))
	keep(t, s, "a", upTo(0, 20)...)
	o := k.options(s)
	o.Settle = 2 * time.Second // for what is taken before it ends
	f, _ := k.start(o)
	eventually(t, "tempo takes all but one", func() bool { return f.Stats().AckedSpans == 19 })
	k.end()
	eventually(t, "tempo takes them again", func() bool { return f.Stats().AckedSpans == 38 })
	empty(t, s)
	eventually(t, "all is counted", func() bool { return f.Stats().ProvenSpans == 19 })
	if c := k.charges(); len(c) != 1 || c["a/refused"] != 1 {
		t.Errorf("charged %v, want one refused", c)
	}
}

// Many bad spans in a row do not hide the good ones behind them for ever.
func TestManyPoisonedSpans(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	k.answering(refusing(upTo(0, 45)...))
	keep(t, s, "a", upTo(0, 60)...)
	f, _ := k.start(k.options(s))
	eventually(t, "tempo takes the good ones", func() bool { return f.Stats().AckedSpans == 15 })
	empty(t, s)
	eventually(t, "all is counted", func() bool { return f.Stats().ProvenSpans == 15 })
	if c := k.charges(); c["a/refused"] != 45 {
		t.Errorf("charged %v, want 45 refused", c)
	}
}

// A Tempo that refuses everything is ill, or is none: nothing is given up.
func TestAllRefused(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	k.answering(func(w http.ResponseWriter, _ *http.Request, _ request) bool {
		w.WriteHeader(http.StatusBadRequest)
		return false
	})
	for i := range 5 {
		keep(t, s, "a", upTo(10*i, 10)...)
	}
	f, _ := k.start(k.options(s))
	eventually(t, "it is tried again", func() bool { return f.Stats().Resent["refused"] >= 150 })
	if st := s.Status(); st.Pending.Spans != 50 {
		t.Fatalf("%d of 50 spans are pending", st.Pending.Spans)
	}
	k.answering(nil)
	empty(t, s)
	if c := k.charges(); len(c) != 0 {
		t.Errorf("charged as discarded: %v", c)
	}
	for _, span := range upTo(0, 50) {
		if count(k.taken["a"], span) != 1 {
			t.Errorf("span %v was not taken", span)
		}
	}
}

// Requests above the limit of whatever is in front of Tempo go in parts.
func TestTooLargeForTempo(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	k.answering(func(w http.ResponseWriter, r *http.Request, _ request) bool {
		if r.ContentLength > 600 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return false
		}
		return true
	})
	keep(t, s, "a", upTo(0, 100)...)
	f, _ := k.start(k.options(s))
	eventually(t, "tempo takes all", func() bool { return f.Stats().AckedSpans == 100 })
	empty(t, s)
	if c := k.charges(); len(c) != 0 {
		t.Errorf("charged as discarded: %v", c)
	}
}

// partial answers that some spans were rejected.
func partial(w http.ResponseWriter, n int64) {
	resp := ptraceotlp.NewExportResponse()
	resp.PartialSuccess().SetRejectedSpans(n)
	resp.PartialSuccess().SetErrorMessage("too old")
	body, _ := resp.MarshalProto()
	_, _ = w.Write(body)
}

func TestPartialSuccess(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	k.answering(func(w http.ResponseWriter, _ *http.Request, got request) bool {
		k.take(got.tenant, got.spans[3:])
		partial(w, 3)
		return false
	})
	keep(t, s, "a", upTo(0, 10)...)
	f, _ := k.start(k.options(s))
	eventually(t, "tempo answers", func() bool { return f.Stats().AckedSpans == 10 })
	empty(t, s)
	eventually(t, "all is counted", func() bool { return f.Stats().ProvenSpans == 7 })
	if c := k.charges(); len(c) != 1 || c["a/partial_success"] != 3 {
		t.Errorf("charged %v, want 3", c)
	}
}

// An answer speaks of the spans of its own request, whatever number it says.
func TestPartialSuccessOfTooMany(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	var halves atomic.Int64
	k.answering(func(w http.ResponseWriter, _ *http.Request, got request) bool {
		switch {
		case len(got.spans) > 60:
			w.WriteHeader(http.StatusTooManyRequests)
		case halves.Add(1) == 1:
			partial(w, 1_000_000)
		default:
			return true
		}
		return false
	})
	keep(t, s, "a", upTo(0, 100)...)
	f, _ := k.start(k.options(s))
	empty(t, s)
	eventually(t, "all is counted", func() bool { return f.Stats().ProvenSpans == 50 })
	if c := k.charges(); len(c) != 1 || c["a/partial_success"] != 50 {
		t.Errorf("charged %v, want 50", c)
	}
}

// An answer before the request was read must not let its bytes be overwritten
// while they are still being sent.
func TestEarlyAnswer(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	var n atomic.Int64
	early := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) <= 3 {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		k.ServeHTTP(w, r)
	})
	k.Config.Handler = early
	for i := range 5 {
		keep(t, s, "a", upTo(1000*i, 1000)...)
	}
	o := k.options(s)
	o.batch = 64 << 10
	f, _ := k.start(o)
	eventually(t, "tempo takes all", func() bool { return f.Stats().AckedSpans == 5000 })
	empty(t, s)
}

// A request above Tempo's burst is answered 429 however often it comes: it is
// halved, and none of it is given up.
func TestAboveTheBurst(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	k.answering(func(w http.ResponseWriter, _ *http.Request, got request) bool {
		if len(got.spans) > 60 {
			w.WriteHeader(http.StatusTooManyRequests)
			return false
		}
		return true
	})
	keep(t, s, "a", upTo(0, 100)...)
	f, _ := k.start(k.options(s))
	eventually(t, "all are taken", func() bool { return f.Stats().AckedSpans == 100 })
	empty(t, s)
	eventually(t, "all counts as proven", func() bool { return f.Stats().ProvenSpans == 100 })
	if c := k.charges(); len(c) != 0 {
		t.Errorf("charged %v", c)
	}
	if tries := len(k.got()); tries > 2*limitedTries {
		t.Errorf("%d requests", tries)
	}
}
