package forwarder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"appliance/internal/durable"
	"appliance/internal/spool"
)

const largeRecord = 8 << 20 // bytes

// largePayload is two spans that are large together.
func largePayload(spans [2]id) []byte {
	traces := ptrace.NewTraces()
	in := traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for _, s := range spans {
		sp := in.AppendEmpty()
		sp.SetTraceID(s.Trace)
		sp.SetSpanID(s.Span)
		sp.SetKind(ptrace.SpanKind(s.Kind))
		sp.SetName(strings.Repeat("x", largeRecord/2))
	}
	out, err := ptraceotlp.NewExportRequestFromTraces(traces).MarshalProto()
	if err != nil {
		panic(err)
	}
	return out
}

// scale weighs the heap whenever a large record is read and whenever Tempo gets something.
type scale struct {
	durable.FS
	t *testing.T

	mu      sync.Mutex
	base    uint64 // bytes that are live without the forwarder
	peak    uint64 // above base
	process string
	whole   bool // Tempo takes large requests as they are
	halves  int  // of large records that it took
	reads   int  // of large records
}

func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func (s *scale) weigh() { s.peak = max(s.peak, max(live(), s.base)-s.base) }

func (s *scale) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	f, err := s.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return weighedFile{f, s}, nil
}

type weighedFile struct {
	durable.File
	scale *scale
}

func (f weighedFile) ReadAt(p []byte, off int64) (int, error) {
	if s := f.scale; len(p) >= largeRecord {
		s.mu.Lock()
		if s.reads++; s.reads-1 > s.halves/2 {
			s.t.Errorf("large record %d is read when %d were taken", s.reads, s.halves/2)
		}
		s.weigh()
		s.mu.Unlock()
	}
	return f.File.ReadAt(p, off)
}

func (s *scale) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/x-protobuf")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.weigh()
	switch {
	case r.ContentLength < largeRecord:
		s.halves++
	case s.whole:
		s.halves += 2
	default:
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}
}

// Of large records one is in memory, twice at the most, however many there are:
// when they are sent, halved, and sent again. After that there is none. This
// test is alone, since it weighs the heap.
func TestLargeRecordsInMemory(t *testing.T) {
	const records = 6
	m := &scale{FS: durable.OS, t: t, process: "1"}
	server := httptest.NewServer(m)
	defer server.Close()
	s, err := spool.Open(t.TempDir(), spool.Options{NoSpare: true, CheckpointEvery: -1, FS: m})
	must(t, err)
	defer s.Close()
	for i := range records {
		pair := [2]id{numbered(2 * i), numbered(2*i + 1)}
		_, err := s.Append(spool.Record{Tenant: "a", Spans: 2, Time: time.Now(), Payload: largePayload(pair)})
		must(t, err)
	}
	target := func() (Target, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		return Target{URL: server.URL, Process: m.process}, nil
	}
	f := New(Options{Spool: s, Target: target, Settle: time.Hour, every: 2 * time.Millisecond})
	f.lanes.with("a", func(l *lane) { l.limit = 4 }) // as after many requests
	m.base = live()
	stop := (&tempo{t: t}).run(f)
	defer stop()

	eventually(t, "all are taken in halves", func() bool { return f.Stats().AckedSpans == 2*records })
	m.mu.Lock()
	m.whole, m.process = true, "2"
	m.mu.Unlock()
	eventually(t, "all are taken again", func() bool { return f.Stats().AckedSpans == 4*records })
	m.mu.Lock()
	if m.reads != 2*records {
		t.Errorf("%d large reads to send %d records twice", m.reads, records)
	}
	m.mu.Unlock()
	m.mu.Lock()
	peak := m.peak
	m.mu.Unlock()
	if peak > 2*largeRecord+4<<20 || peak < largeRecord {
		t.Errorf("%d records of %d bytes take %d bytes of memory", records, largeRecord, peak)
	}
	t.Logf("peak %d KiB above %d KiB", peak>>10, m.base>>10)
	eventually(t, "the buffers are given up", func() bool { return live() < m.base+2<<20 })
}

// New large records and those that are sent again do not wait for each other
// while there is one slot.
func TestLargeRecordsWaitInOrder(t *testing.T) {
	for round := range 10 {
		t.Run(fmt.Sprint(round), largeRecordsInOrder)
	}
}

func largeRecordsInOrder(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	o := k.holding(s)
	o.batch, o.inFlight = 4<<10, 1
	f, _ := k.start(o)
	const spans = 400 // above o.batch
	keep(t, s, "a", upTo(0, spans)...)
	eventually(t, "the large record is taken", func() bool { return f.Stats().AckedSpans == spans })
	arrived, hold := make(chan struct{}), make(chan struct{})
	k.answering(func(_ http.ResponseWriter, _ *http.Request, got request) bool {
		if len(got.spans) == 1 {
			close(arrived)
			<-hold
		}
		return true
	})
	keep(t, s, "a", numbered(spans)) // has the slot
	<-arrived
	k.answering(nil)
	k.mu.Lock()
	k.process += "'" // so that the first is sent again
	k.mu.Unlock()
	keep(t, s, "a", upTo(2*spans, spans)...)
	eventually(t, "both large ones wait", func() bool {
		f.lanes.mu.Lock()
		defer f.lanes.mu.Unlock()
		return len(f.large) == 1 && len(f.lanes.of("a").waiting) == 1 && f.stats.unproven.Load() == 0
	})
	close(hold)
	// The small one was taken by the process before, too.
	eventually(t, "all are taken", func() bool { return f.Stats().AckedSpans == 3*spans+2 })
}

// A stop does not wait for large records.
func TestStopWithLargeRecords(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	for i := range 3 {
		keep(t, s, "a", upTo(1000*i, 400)...)
	}
	o := k.options(s)
	o.batch = 4 << 10
	o.Target = func() (Target, error) { return Target{}, errors.New("there is no tempo") }
	f, stop := k.start(o)
	eventually(t, "one is read", func() bool { return len(f.large) == 1 && f.Stats().LastError != "" })
	stop()
	if st := s.Status(); st.Pending.Records != 3 {
		t.Errorf("%d records are pending", st.Pending.Records)
	}
}

// A large record that is damaged keeps no other from being read.
func TestDamagedLargeRecord(t *testing.T) {
	k, dir := newTempo(t), t.TempDir()
	s := openSpool(t, dir)
	pos := keep(t, s, "a", upTo(0, 400)...)
	segments, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	file, err := os.OpenFile(segments[0], os.O_WRONLY, 0)
	must(t, err)
	_, err = file.WriteAt([]byte("damage"), pos.Offset+1000)
	must(t, errors.Join(err, file.Close()))
	o := k.options(s)
	o.batch = 4 << 10
	f, _ := k.start(o)
	eventually(t, "the record is given up", func() bool { return s.Status().Lost.Records == 1 && len(f.large) == 0 })
	keep(t, s, "a", upTo(1000, 400)...)
	keep(t, s, "a", numbered(2000))
	k.gets(401)
	empty(t, s)
}
