package tail

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
	"appliance/internal/otlpwire"
	"appliance/internal/spool"
	"appliance/sampler"
)

var background = context.Background()

// sp is a span of a test.
type sp struct {
	trace, id, parent uint64
	name, service     string
	attr              string // the value of span.tier
	failed            bool
	start, end        int64 // milliseconds
	state             string
}

const epoch = 1_700_000_000_000

func traceIDOf(n uint64) (id [16]byte) {
	binary.BigEndian.PutUint64(id[:], n)
	binary.BigEndian.PutUint64(id[8:], (n+1)*0x9e3779b97f4a7c15)
	return id
}

func text(b []byte, n protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), s)
}

func message(b []byte, n protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), m)
}

func attribute(k, v string) []byte { return message(text(nil, 1, k), 2, text(nil, 1, v)) }

func (s sp) encode() []byte {
	id := traceIDOf(s.trace)
	b := message(nil, 1, id[:])
	b = message(b, 2, binary.BigEndian.AppendUint64(nil, s.id))
	if s.state != "" {
		b = text(b, 3, s.state)
	}
	if s.parent != 0 {
		b = message(b, 4, binary.BigEndian.AppendUint64(nil, s.parent))
	}
	b = text(b, 5, s.name)
	b = protowire.AppendFixed64(protowire.AppendTag(b, 7, protowire.Fixed64Type), uint64((epoch+s.start)*1e6))
	b = protowire.AppendFixed64(protowire.AppendTag(b, 8, protowire.Fixed64Type), uint64((epoch+s.end)*1e6))
	if s.attr != "" {
		b = message(b, 9, attribute("tier", s.attr))
	}
	if s.failed {
		b = message(b, 15, protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), 2))
	}
	return b
}

// request is one ResourceSpans for each span.
func request(spans ...sp) (b []byte) {
	for _, s := range spans {
		all := message(nil, 1, message(nil, 1, attribute("service.name", s.service)))
		b = message(b, 1, message(all, 2, message(nil, 2, s.encode())))
	}
	return b
}

func threshold(p float64) (uint64, error) {
	t, err := sampler.ThresholdOf(p, 4)
	return uint64(t), err
}

func thin(t uint64, s *otlpwire.Span, buf []byte) (otlpwire.Verdict, []byte) {
	return sampler.Thin(sampler.Threshold(t), s, buf)
}

// world is a spool with a line and somebody who reads it.
type world struct {
	t    *testing.T
	disk *crashfs.FS
	sp   *spool.Spool
	line *Line
	stop func()

	*outside
}

// outside is what crashes do not touch: whoever sends, and whoever gets.
type outside struct {
	mu     sync.Mutex
	sent   map[uint64][]sent // by trace; acknowledged
	maybe  map[uint64][]sent // that a crash came in between: nobody was promised anything
	got    map[uint64]got    // by span
	bytes  map[spool.Position]string
	faults []string

	pause      atomic.Int64 // nanoseconds that a read of the spool takes
	unreadable atomic.Int64 // bytes of a record that the disk does not give
}

type sent struct {
	sp
	at time.Time
}

type got struct {
	trace uint64
	state string
	times int
}

func newOutside() *outside {
	return &outside{sent: map[uint64][]sent{}, maybe: map[uint64][]sent{}, got: map[uint64]got{}, bytes: map[spool.Position]string{}}
}

// tryOpen opens a spool and a line, and sets both to work.
func tryOpen(t *testing.T, disk *crashfs.FS, out *outside, s Settings, set ...func(*Options)) (*world, error) {
	log, err := spool.Open("/spool", spool.Options{FS: slow{disk, out}, SegmentBytes: 16 << 10, MaxBytes: 16 << 20, CheckpointEvery: -1})
	if err != nil {
		return nil, err
	}
	w := &world{t: t, disk: disk, sp: log, outside: out}
	o := Options{Settings: s, Dir: "/tail", Spool: log, Threshold: threshold, Thin: thin, FS: disk}
	for _, f := range set {
		f(&o)
	}
	if w.line, err = Open(o); err != nil {
		log.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(background)
	var done sync.WaitGroup
	if w.line != nil {
		done.Go(func() { _ = w.line.Run(ctx) })
	}
	done.Go(func() { w.consume(ctx) })
	w.stop = func() {
		cancel()
		done.Wait()
		_ = log.Close() // fails where the machine has crashed
	}
	return w, nil
}

// slow is a disk from which segments are read as slowly and as badly as a test
// wants.
type slow struct {
	*crashfs.FS
	out *outside
}

func (s slow) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	f, err := s.FS.OpenFile(name, flag, perm)
	if err != nil || flag != os.O_RDONLY {
		return f, err
	}
	return slowFile{f, s.out}, nil
}

type slowFile struct {
	durable.File
	out *outside
}

func (f slowFile) ReadAt(p []byte, off int64) (int, error) {
	time.Sleep(time.Duration(f.out.pause.Load()))
	if n := f.out.unreadable.Load(); n > 0 && int(n) == len(p) {
		return 0, syscall.EIO
	}
	return f.File.ReadAt(p, off)
}

func start(t *testing.T, disk *crashfs.FS, out *outside, s Settings, set ...func(*Options)) *world {
	t.Helper()
	w, err := tryOpen(t, disk, out, s, set...)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// consume takes what is decided, and releases some of it.
func (w *world) consume(ctx context.Context) {
	r := w.sp.Passed()
	defer r.Close()
	var held []spool.Position
	for {
		e, err := r.Next(ctx, nil)
		if errors.Is(err, syscall.EIO) {
			time.Sleep(time.Second)
			continue
		}
		if err != nil {
			return
		}
		again, err := w.sp.ReadAt(e.Position, nil)
		w.mu.Lock()
		if err == nil && string(again.Payload) != string(e.Payload) {
			w.faults = append(w.faults, fmt.Sprint("record ", e.Position, " is another when it is read again"))
		}
		if was, ok := w.bytes[e.Position]; ok && was != string(e.Payload) {
			w.faults = append(w.faults, fmt.Sprint("record ", e.Position, " is another after a crash"))
		}
		w.bytes[e.Position] = string(e.Payload)
		n := 0
		if _, err := wire.Walk(e.Payload, func(s *otlpwire.Span) {
			n++
			id := binary.BigEndian.Uint64(s.SpanID)
			g := w.got[id]
			w.got[id] = got{binary.BigEndian.Uint64(s.TraceID), string(s.TraceState), g.times + 1}
		}); err != nil || n != e.Spans {
			w.faults = append(w.faults, fmt.Sprint("record ", e.Position, " has ", n, " spans, and says ", e.Spans, ": ", err))
		}
		w.mu.Unlock()
		if held = append(held, e.Position); len(held) > 3 {
			_ = w.sp.Release(held[:2]...)
			held = slices.Clone(held[2:])
		}
	}
}

// send appends spans as one request, and notes them if they are acknowledged.
func (w *world) send(spans ...sp) error {
	_, err := w.sp.Append(record(spans...))
	w.mu.Lock()
	defer w.mu.Unlock()
	to := w.sent
	if err != nil {
		to = w.maybe
	}
	for _, s := range spans {
		to[s.trace] = append(to[s.trace], sent{s, time.Now()})
	}
	return err
}

// ruleFor is what the rules of everyday say, naively.
func ruleFor(spans []sent) string {
	first, last := int64(1<<62), int64(0)
	failed, ping := false, false
	for _, s := range spans {
		first, last = min(first, s.start), max(last, s.end)
		failed = failed || s.failed
		ping = ping || s.name == "GET /ping"
	}
	switch {
	case failed:
		return "errors"
	case last-first > 2000:
		return "slow"
	case ping:
		return "health"
	}
	return "rest"
}

func everyday() Settings {
	return Settings{Wait: 30 * time.Second, Remember: 10 * time.Minute, Rules: []Rule{
		{Name: "errors", When: "{ status = error }", Keep: Keep{Probability: 1}},
		{Name: "slow", When: "{ traceDuration > 2s }", Keep: Keep{Probability: 1}},
		{Name: "health", When: `{ name = "GET /ping" }`},
		{Name: "rest", Keep: Keep{Probability: 0.25}},
	}}
}

// check compares what was got with what had to be.
func (w *world) check() (must, left int) {
	t := w.t
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.faults {
		t.Error(f)
	}
	verdicts := map[[16]byte][]Explanation{}
	if err := eachVerdict(w.disk, "/tail", func(f *frame, t *decided) {
		verdicts[t.id] = append(verdicts[t.id], explanation(f, t))
	}); err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for trace, spans := range w.sent {
		id := traceIDOf(trace)
		found := verdicts[id]
		if len(found) != 1 {
			t.Fatalf("trace %d has the verdicts %v; want one", trace, found)
		}
		v := found[0]
		before := slices.DeleteFunc(slices.Clone(spans), func(s sent) bool { return s.at.After(v.Time) })
		if want := ruleFor(before); v.Rule != want && v.Rule != ruleFor(slices.Concat(before, w.maybe[trace])) {
			t.Errorf("trace %d: rule %s, and %s is right for the %d of %d spans before %v", trace, v.Rule, want, len(before), len(spans), v.Time)
		}
		keep := map[string]bool{"errors": true, "slow": true, "rest": randomness(id) >= v.Threshold}[v.Rule]
		if keep {
			must++
		}
		if kept, known := w.line.Verdict(id); known && kept != keep {
			t.Errorf("trace %d, %s: the verdict is that it is kept: %v, want %v", trace, v.Rule, kept, keep)
		}
		for _, s := range spans {
			g, ok := w.got[s.id]
			if ok != keep {
				t.Errorf("span %d of trace %d, %s: got it %v, want %v", s.id, trace, v.Rule, ok, keep)
			}
			if want := map[bool]string{true: "ot=th:c"}[v.Rule == "rest"]; ok && g.state != want {
				t.Errorf("span %d of trace %d, %s: tracestate %q, want %q", s.id, trace, v.Rule, g.state, want)
			}
			if !keep {
				left++
			}
			total++
		}
	}
	st := w.sp.Status()
	if st.Sifted == nil {
		t.Fatal("nothing is sifted")
	}
	var out int64
	for _, n := range st.Sifted.Rules {
		out += n
	}
	pending := st.Sifted.Pending["a"]
	most := int64(0)
	for _, spans := range w.maybe {
		most += int64(len(spans))
	}
	between := func(n, low int64) bool { return low <= n && n <= low+most }
	if !between(out, int64(left)) || !between(st.Pending.Spans+st.Released.Spans, total) || pending < 0 || pending > st.Pending.Spans {
		t.Errorf("%d of %d spans are left out (%v), want %d; %d are pending (%d of them left out), %d released",
			out, total, st.Sifted.Rules, left, st.Pending.Spans, pending, st.Released.Spans)
	}
	return must, left
}

// traffic is traces of a few spans in random requests: some late, some sent
// again with others, now or after the verdict, none of them known to the rules
// before its time.
type traffic struct {
	*rand.Rand
	next  uint64
	later []sp
	all   []sp // that were sent
}

func (m *traffic) some() (out []sp) {
	for range 1 + m.IntN(3) {
		m.next++
		n := m.next
		var spans []sp
		for i := range 1 + m.Uint64N(4) {
			s := sp{trace: n, id: n*10 + i, parent: n * 10, name: "work", service: "shop", start: int64(n), end: int64(n) + 100}
			if i == 0 {
				s.parent = 0
			}
			spans = append(spans, s)
		}
		last := &spans[len(spans)-1]
		switch m.IntN(6) {
		case 0:
			last.failed = true
		case 1:
			last.end += 3000
		case 2:
			last.name = "GET /ping"
		}
		if len(spans) > 1 && m.IntN(2) == 0 { // the one that decides comes with another request
			m.later = append(m.later, *last)
			spans = spans[:len(spans)-1]
		}
		out = append(out, spans...)
	}
	for len(m.later) > 0 && m.IntN(3) > 0 {
		i := m.IntN(len(m.later))
		out = append(out, m.later[i])
		m.later = slices.Delete(m.later, i, i+1)
	}
	m.all = append(m.all, out...)
	for m.IntN(2) > 0 { // a client that did not get its answer
		out = append(out, m.all[m.IntN(len(m.all))])
	}
	m.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func record(spans ...sp) spool.Record {
	return spool.Record{Tenant: "a", Spans: len(spans), Time: time.Now(), Payload: request(spans...)}
}
