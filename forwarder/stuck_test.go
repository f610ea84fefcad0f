package forwarder

import (
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"appliance/internal/spool"
)

// illFor answers some other way to requests with one of these spans, until it is healed.
type illFor struct {
	bad    []id
	ill    func(http.ResponseWriter, *http.Request)
	healed atomic.Bool
}

func (i *illFor) answer(w http.ResponseWriter, r *http.Request, got request) bool {
	if !i.healed.Load() && slices.ContainsFunc(got.spans, func(s id) bool { return slices.Contains(i.bad, s) }) {
		i.ill(w, r)
		return false
	}
	return true
}

// flow keeps good spans of a tenant coming until done, and returns how many there were.
func flow(t *testing.T, s *spool.Spool, tenant string, first int, done func() bool) (spans int) {
	t.Helper()
	polls := 0
	eventually(t, "it is done while others flow", func() bool {
		if polls++; polls%10 == 1 {
			keep(t, s, tenant, upTo(first+spans, 10)...)
			spans += 10
		}
		return done()
	})
	return spans
}

func stuckSpans(t *testing.T, s *spool.Spool) (spans []id) {
	t.Helper()
	for _, i := range s.Stuck().List() {
		e, err := s.Stuck().Read(i.ID)
		must(t, err)
		list, err := spansOf(e.Payload)
		must(t, err)
		spans = append(spans, list...)
	}
	return spans
}

// A span to which Tempo answers anything but an acknowledgement, while it takes
// others, is set aside by itself. It holds nobody up, is not lost, and goes
// when Tempo takes it.
func TestSpanThatTempoDoesNotTake(t *testing.T) {
	for name, ill := range map[string]func(http.ResponseWriter, *http.Request){
		"500": code(500, "oops"), "403": code(403, "waf"), "reset": reset, "503": code(503, ""), "a page": endless("<p>"),
	} {
		for _, beside := range []int{0, 99} {
			t.Run(fmt.Sprintf("%s, %d beside it", name, beside), func(t *testing.T) {
				k, s := newTempo(t), openSpool(t, t.TempDir())
				bad := numbered(beside / 3)
				i := &illFor{bad: []id{bad}, ill: ill}
				k.answering(i.answer)
				o := k.options(s)
				o.Settle = 50 * time.Millisecond
				keep(t, s, "a", upTo(0, 1+beside)...)
				f := New(o)
				f.stuckEvery = 100 * time.Millisecond
				stop := k.run(f)
				spans := beside + flow(t, s, "a", 1000, func() bool { return s.Status().Stuck.Spans == 1 })
				eventually(t, "the others are taken", func() bool { return f.Stats().AckedSpans >= int64(spans) })
				if got := stuckSpans(t, s); !slices.Equal(got, []id{bad}) {
					t.Fatalf("set aside is %v", got)
				}
				empty(t, s)
				if got := k.charges(); len(got) != 0 {
					t.Errorf("charged %v", got)
				}
				i.healed.Store(true)
				eventually(t, "nothing is stuck", func() bool { return s.Status().Stuck.Spans == 0 })
				eventually(t, "all are proven", func() bool { return f.Stats().ProvenSpans == int64(spans+1) })
				if st := s.Status(); st.Released.Spans != int64(spans+1) {
					t.Errorf("%d spans are released, want %d", st.Released.Spans, spans+1)
				}
				stop()
			})
		}
	}
}

// A span above Tempo's burst, and one of a tenant above its rate, are both
// answered 429. The first is set aside in the end; while the tenant's others
// get through now and then none of them is.
func TestRateLimitedSpansAreNotStuck(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	var n atomic.Int64
	k.answering(func(w http.ResponseWriter, _ *http.Request, _ request) bool {
		if n.Add(1)%4 != 0 {
			w.WriteHeader(http.StatusTooManyRequests)
			return false
		}
		return true
	})
	o := k.options(s)
	for i := range 20 {
		keep(t, s, "a", upTo(10*i, 10)...)
	}
	f, _ := k.start(o)
	eventually(t, "all are taken", func() bool { return f.Stats().AckedSpans >= 200 })
	empty(t, s)
	if st := s.Status(); st.Stuck.Spans != 0 || st.Released.Spans != 200 {
		t.Errorf("stuck %v, released %v", st.Stuck, st.Released)
	}
}

// A tenant of which Tempo takes nothing waits, whatever it answers, and slows
// no other: nothing of it is given up or set aside, for all that is known that
// is not its spans' fault.
func TestTenantsDoNotWaitForEachOther(t *testing.T) {
	for name, ill := range map[string]func(http.ResponseWriter, *http.Request){
		"429": code(429, "rate"), "401": code(401, "who are you"), "reset": reset, "hanging": hang,
		"asking for a minute": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusServiceUnavailable)
		},
	} {
		t.Run(name, func(t *testing.T) {
			k, s := newTempo(t), openSpool(t, t.TempDir())
			var healed atomic.Bool
			k.answering(func(w http.ResponseWriter, r *http.Request, got request) bool {
				if got.tenant == "noisy" && !healed.Load() {
					ill(w, r)
					return false
				}
				return true
			})
			o := k.options(s)
			o.Settle, o.timeout, o.batch = 20*time.Millisecond, 2*time.Second, 4<<10
			for i := range 100 {
				keep(t, s, "noisy", upTo(50*i, 50)...) // requests of their own
			}
			f, _ := k.start(o)
			began := time.Now()
			for i := range 100 {
				keep(t, s, "quiet", upTo(10_000+10*i, 10)...)
				if i%10 == 0 {
					keep(t, s, "noisy", upTo(20_000+10*i, 10)...)
				}
			}
			eventually(t, "the quiet tenant's are taken", func() bool { return f.Stats().AckedSpans >= 1000 })
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("they took %s", took)
			}
			eventually(t, "they have left", func() bool { return s.Status().Pending.Spans == 5100 })
			if st := s.Status(); st.Stuck.Spans != 0 {
				t.Errorf("stuck %v", st.Stuck)
			}
			if name == "asking for a minute" {
				return
			}
			healed.Store(true)
			empty(t, s)
		})
	}
}

// Spans that Tempo refuses for good, each of them, are charged also where there
// are two or more in a request.
func TestRefusedTogether(t *testing.T) {
	for _, n := range []int{2, 3, 100} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			k, s := newTempo(t), openSpool(t, t.TempDir())
			bad := upTo(0, n)
			k.answering(refusing(bad...))
			keep(t, s, "a", bad...)
			o := k.options(s)
			f, _ := k.start(o)
			spans := flow(t, s, "a", 1000, func() bool { return k.charges()["a/refused"] > 0 })
			empty(t, s)
			eventually(t, "the others are proven", func() bool { return f.Stats().ProvenSpans == int64(spans) })
			if got := k.charges(); got["a/refused"] != n || len(got) != 1 {
				t.Errorf("charged %v, want %d as refused", got, n)
			}
		})
	}
}

// What is stuck is stuck after a restart too. An operator can have it tried at
// once, and can drop it, which is counted.
func TestStuckAcrossRuns(t *testing.T) {
	dir := t.TempDir()
	k := newTempo(t)
	s, err := spool.Open(dir, spool.Options{NoSpare: true, CheckpointEvery: -1})
	must(t, err)
	i := &illFor{bad: []id{numbered(5), numbered(7)}, ill: code(500, "it makes me ill")}
	k.answering(i.answer)
	keep(t, s, "a", upTo(0, 20)...)
	o := k.options(s)
	_, stop := k.start(o)
	flow(t, s, "a", 1000, func() bool { return s.Status().Stuck.Spans == 2 })
	empty(t, s)
	stop()
	must(t, s.Close())

	list, err := spool.InspectStuck(nil, dir)
	must(t, err)
	if len(list) != 1 || list[0].Spans != 2 || list[0].Tenant != "a" || list[0].Why != "tempo is unavailable: HTTP 500 it makes me ill" {
		t.Fatalf("listed is %+v", list)
	}
	s, err = spool.Open(dir, spool.Options{NoSpare: true, CheckpointEvery: -1})
	must(t, err)
	defer s.Close()
	o.Spool = s
	f, _ := k.start(o)
	before := len(k.got())
	f.RetryStuck()
	eventually(t, "it is tried", func() bool { return len(k.got()) > before })
	eventually(t, "the try has ended", func() bool {
		f.retries.mu.Lock()
		defer f.retries.mu.Unlock()
		return len(f.retries.under) == 0
	})
	if st := s.Status(); st.Stuck.Spans != 2 || st.Pending.Spans != 0 {
		t.Fatalf("stuck %v, pending %v", st.Stuck, st.Pending)
	}
	// One of the two is taken now: the other stays.
	k.answering((&illFor{bad: i.bad[:1], ill: i.ill}).answer)
	f.RetryStuck()
	eventually(t, "one is left", func() bool { return s.Status().Stuck.Spans == 1 })
	if got := stuckSpans(t, s); !slices.Equal(got, i.bad[:1]) {
		t.Errorf("left is %v", got)
	}
	n, err := f.DropStuck([]spool.StuckID{list[0].ID, "no such"})
	if err != nil || n != 1 {
		t.Errorf("dropped %d, %v", n, err)
	}
	if st := s.Status(); st.Stuck.Spans != 0 || k.charges()["a/operator"] != 1 {
		t.Errorf("stuck %v, charged %v", st.Stuck, k.charges())
	}
}

// A few records in each segment, of a tenant of which Tempo takes nothing, do not fill the spool.
func TestFewRecordsDoNotFillTheSpool(t *testing.T) {
	k := newTempo(t)
	s, err := spool.Open(t.TempDir(), spool.Options{MaxBytes: 4 << 20, SegmentBytes: 256 << 10, NoSpare: true, CheckpointEvery: -1})
	must(t, err)
	defer s.Close()
	var healed atomic.Bool
	k.answering(func(w http.ResponseWriter, _ *http.Request, got request) bool {
		if got.tenant == "shut out" && !healed.Load() {
			w.WriteHeader(http.StatusForbidden)
			return false
		}
		return true
	})
	o := k.options(s)
	f := New(o)
	f.stuckEvery, f.roomAfter, f.roomEvery = time.Second, 50*time.Millisecond, 20*time.Millisecond
	k.run(f)
	for i := range 40 { // more than twice what the spool has room for
		var full error
		eventually(t, "there is room", func() bool {
			_, full = s.Append(spool.Record{Tenant: "shut out", Spans: 1, Time: time.Now(), Payload: payload(upTo(i, 1))})
			return full == nil
		})
		for n := range 4 {
			rec := spool.Record{Tenant: "b", Spans: 500, Time: time.Now(), Payload: payload(upTo(10_000*(i+1)+500*n, 500))}
			eventually(t, "there is room", func() bool { _, full = s.Append(rec); return full == nil })
		}
	}
	eventually(t, "the others have left", func() bool { return s.Status().Pending.Tenants["b"].Spans == 0 })
	if st := s.Status(); st.Stuck.Spans+st.Pending.Spans != 40 || st.Stuck.Spans == 0 {
		t.Errorf("stuck %v, pending %v", st.Stuck, st.Pending)
	}
	healed.Store(true)
	eventually(t, "all have left", func() bool { st := s.Status(); return st.Stuck.Spans+st.Pending.Spans == 0 })
}

// Spans of a tenant that is not configured any more are sent under its name, and leave.
func TestTenantThatIsGone(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	keep(t, s, "gone", upTo(0, 10)...)
	keep(t, s, "single-tenant", upTo(10, 10)...)
	o := k.options(s)
	k.start(o)
	empty(t, s)
	for _, r := range k.got() {
		if want := map[bool]string{true: "gone", false: "single-tenant"}[r.spans[0] == numbered(0)]; r.tenant != want {
			t.Errorf("%d spans were sent for %q, want %q", len(r.spans), r.tenant, want)
		}
	}
}
