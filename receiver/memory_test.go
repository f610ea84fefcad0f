package receiver

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"
)

// heap returns what live objects and garbage take now.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// hugeWindow is a zstd frame of an empty block with a window of 2 GiB.
var hugeWindow = []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00}

// hugeClaim is a zstd frame that announces 2^40 bytes and has none.
var hugeClaim = []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 0x01, 0x00, 0x00}

// claimOf is a zstd frame of one byte that announces so many.
func claimOf(n uint32) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0}, n), 0x09, 0x00, 0x00, 'x')
}

func TestBombs(t *testing.T) {
	const body, inflight = 8 << 20, 32 << 20
	r := start(t, Config{MaxBodyBytes: body, InflightBytes: inflight, pooledBytes: 1 << 20})
	zeros := make([]byte, 100<<20)
	gzip, zstd := gz(t, zeros), zst(t, zeros)
	liar := bytes.Clone(gz(t, []byte("tiny")))
	binary.LittleEndian.PutUint32(liar[len(liar)-4:], 1<<31)
	bombs := []exchange{
		{name: "gzip", header: map[string]string{"Content-Encoding": "gzip"}, body: gzip, want: 413},
		{name: "gzip of many members", header: map[string]string{"Content-Encoding": "gzip"}, body: bytes.Repeat(gz(t, zeros[:1<<20]), 20), want: 413},
		{name: "many empty gzip members", header: map[string]string{"Content-Encoding": "gzip"}, body: bytes.Repeat(gz(t, nil), 100_000), want: 200},
		{name: "gzip that lies about its size", header: map[string]string{"Content-Encoding": "gzip"}, body: liar, want: 400},
		{name: "zstd", header: map[string]string{"Content-Encoding": "zstd"}, body: zstd, want: 413},
		{name: "zstd stream", header: map[string]string{"Content-Encoding": "zstd"}, body: zstdStream(t, zeros), want: 413},
		{name: "zstd of many frames", header: map[string]string{"Content-Encoding": "zstd"}, body: bytes.Repeat(zst(t, zeros[:1<<20]), 20), want: 413},
		{name: "zstd with a giant window", header: map[string]string{"Content-Encoding": "zstd"}, body: hugeWindow, want: 413},
		{name: "zstd with a giant claim", header: map[string]string{"Content-Encoding": "zstd"}, body: hugeClaim, want: 413},
		{name: "zstd that claims all that it may", header: map[string]string{"Content-Encoding": "zstd"}, body: claimOf(body), want: 413},
	}
	zeros = nil
	runtime.GC()
	before := heap()
	var peak uint64
	for round := range 3 {
		for _, x := range bombs {
			t.Run(fmt.Sprintf("%s/%d", x.name, round), func(t *testing.T) { x.run(t, r) })
			peak = max(peak, heap())
		}
	}
	// Large buffers are no part of the heap, whose garbage may be a multiple of what it has in use.
	if grown := int64(peak) - int64(before); grown > body {
		t.Errorf("the heap grew by %d bytes, want less than one body has", grown)
	} else {
		t.Logf("the heap grew by %d bytes", grown)
	}
}

// Clients that send at the same time more than may be in flight are told to come
// again, and all get through in the end.
func TestOverload(t *testing.T) {
	g := newGate()
	const size, inflight = 1 << 20, 6 << 20
	r := startWith(t, Config{MaxBodyBytes: size, InflightBytes: inflight, inflightWait: time.Millisecond},
		&everyNth{n: 1}, &memorySink{fail: g.keep})
	body := append(spanWith(goodTrace, goodSpan), field(1000, make([]byte, size*3/4))...)
	var held []<-chan int
	for range 5 { // each takes a buffer of 1 MiB for its body
		held = append(held, r.post(t, body))
		<-g.entered
	}
	exchange{body: body, want: 503, says: "in flight", check: hasHeader("Retry-After", "1")}.run(t, r)
	exchange{header: map[string]string{"Content-Encoding": "gzip"}, body: gz(t, body), want: 503}.run(t, r)
	exchange{header: map[string]string{"Content-Encoding": "zstd"}, body: zst(t, body), want: 503}.run(t, r)
	if n := r.Stats().InflightBytes; n > inflight || n < 5<<20 {
		t.Errorf("%d bytes in flight", n)
	}
	close(g.open)
	for _, code := range held {
		if c := <-code; c != 200 {
			t.Errorf("answered %d", c)
		}
	}
	exchange{body: body, want: 200, kept: 1}.run(t, r)
}

// A request waits for the bytes of another instead of being refused at once.
func TestShortOverloadIsWaitedOut(t *testing.T) {
	g := newGate()
	const size, inflight = 1 << 20, 6 << 20
	r := startWith(t, Config{MaxBodyBytes: size, InflightBytes: inflight, inflightWait: 10 * time.Second},
		&everyNth{n: 1}, &memorySink{fail: g.keep})
	body := append(spanWith(goodTrace, goodSpan), field(1000, make([]byte, size*3/4))...)
	var codes []<-chan int
	for range 5 {
		codes = append(codes, r.post(t, body))
		<-g.entered
	}
	codes = append(codes, r.post(t, body))
	waitFor(t, func() bool { return r.Stats().InflightRequests == 6 })
	close(g.open)
	for _, code := range codes {
		if c := <-code; c != 200 {
			t.Errorf("answered %d", c)
		}
	}
}

// Clients that announce bodies and do not send them take nothing from the
// others: a request is charged for what it has sent, at most twice.
func TestOnlyWhatCameIsCharged(t *testing.T) {
	const clients, size, sent = 64, 1 << 20, 10_000
	r := start(t, Config{InflightBytes: clients * size})
	good := exchange{body: spanWith(goodTrace, goodSpan), want: 200, kept: 1}
	for name, header := range map[string]string{
		"length": fmt.Sprintf("Content-Length: %d", size), "chunked": "Transfer-Encoding: chunked",
	} {
		t.Run(name, func(t *testing.T) {
			var slow []net.Conn
			for range clients {
				c := dial(t, r)
				send(t, c, head(header), "")
				slow = append(slow, c)
			}
			waitFor(t, func() bool { return r.Stats().InflightRequests == clients })
			if n := r.Stats().InflightBytes; n != 0 {
				t.Errorf("%d bytes are charged for headers alone", n)
			}
			good.run(t, r)

			body := strings.Repeat("x", sent)
			if name == "chunked" {
				body = fmt.Sprintf("%x\r\n%s\r\n", sent, body)
			}
			for _, c := range slow {
				send(t, c, body, "")
			}
			waitFor(t, func() bool { return r.Stats().InflightBytes >= clients*sent })
			if n := r.Stats().InflightBytes; n > clients*2*sent {
				t.Errorf("%d bytes are charged for %d that came", n, clients*sent)
			}
			good.run(t, r)
			for _, c := range slow {
				c.Close()
			}
			waitFor(t, func() bool { return r.Stats().InflightRequests == 0 })
		})
	}
}

func TestPoolIsBounded(t *testing.T) {
	p := pool{maxBytes: 1 << 20}
	var all [][]byte
	for n := 1; n <= 1<<20; n *= 2 {
		for range 10 {
			b := p.get(n, p.maxBytes)
			if len(b) != 0 || cap(b) != p.size(n) || cap(b) < n {
				t.Fatalf("for %d bytes got %d of %d", n, len(b), cap(b))
			}
			all = append(all, b)
		}
	}
	for _, b := range all {
		p.put(b)
	}
	kept := 0
	for _, class := range p.classes {
		for _, b := range class {
			kept += cap(b)
			if cap(b) > p.maxBytes/4 {
				t.Errorf("keeps a buffer of %d bytes", cap(b))
			}
		}
	}
	if kept != p.bytes || kept > p.maxBytes || kept < p.maxBytes/2 {
		t.Errorf("keeps %d bytes, says %d, may keep %d", kept, p.bytes, p.maxBytes)
	}
	b := p.get(5000, p.maxBytes)
	first := &b[:1][0]
	p.put(b)
	if again := p.get(8000, p.maxBytes); &again[:1][0] != first {
		t.Error("a buffer that was put back is not used again")
	}
}

// What is lent and what is kept for the next request are within the budget together.
func TestPoolGivesWayToLoans(t *testing.T) {
	const size = 1 << 20
	m := newMemory(size, size, time.Millisecond)
	take := func(n int) *loan {
		l := &loan{memory: m}
		if _, err := l.take(context.Background(), n, false); err != nil {
			t.Fatal(err)
		}
		if idle, held := m.pool.bytes, int(m.held.Load()); idle+held > size {
			t.Errorf("%d bytes are lent and %d kept, %d is the budget", held, idle, size)
		}
		return l
	}
	var loans []*loan
	for _, n := range []int{4 << 10, 30 << 10, 100 << 10, 200 << 10, 256 << 10} {
		loans = append(loans, take(n))
	}
	for _, l := range loans {
		l.close()
	}
	if m.pool.bytes < size/2 {
		t.Fatalf("only %d bytes are kept", m.pool.bytes)
	}
	large := take(size - 8<<10)
	if m.pool.bytes > 8<<10 {
		t.Errorf("%d bytes are kept beside a loan of all but 8 KiB", m.pool.bytes)
	}
	large.close()
}

// What a filter appended beyond its buffer is accounted for, or refused.
func TestOutgrownLoan(t *testing.T) {
	m := newMemory(1<<20, 1<<20, time.Millisecond)
	l := loan{memory: m}
	ctx := context.Background()
	for size, want := range map[int]error{100_000: nil, 200_000: nil, 2 << 20: errInflight} {
		b, err := l.take(ctx, 100_000, true)
		if err != nil {
			t.Fatal(err)
		}
		out := b
		if size > cap(b) {
			out = make([]byte, size)
		}
		if err := l.outgrown(ctx, b, out); err != want {
			t.Errorf("%d bytes in a buffer of %d: %v, want %v", size, cap(b), err, want)
		}
		if want == nil && l.held != cap(out) {
			t.Errorf("%d bytes are accounted for, %d are in use", l.held, cap(out))
		}
		l.close()
		if l.held != 0 || m.held.Load() != 0 {
			t.Errorf("%d bytes are held in the end", m.held.Load())
		}
	}
}

// After a panic a buffer may still be in use somewhere: it stays readable, and
// its memory is given back.
func TestForgottenLoan(t *testing.T) {
	m := newMemory(1<<20, 1<<20, time.Millisecond)
	l := loan{memory: m}
	b, err := l.take(context.Background(), 512<<10, true)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, "still read"...)
	l.forget()
	if string(b) != strings.Repeat("\x00", len(b)) {
		t.Errorf("reads %q, want what a given back page has", b)
	}
	if l.held != 0 || m.held.Load() != 0 || m.pool.bytes != 0 {
		t.Errorf("%d bytes are held, %d kept", m.held.Load(), m.pool.bytes)
	}
}

func TestLoanReturnsEverything(t *testing.T) {
	m := newMemory(1<<20, 1<<20, time.Millisecond)
	l := loan{memory: m}
	ctx := context.Background()
	b, err := l.take(ctx, 100_000, true)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = l.readAll(ctx, strings.NewReader(strings.Repeat("x", 300_000)), b, 300_000, true); err != nil || len(b) != 300_000 {
		t.Fatal(len(b), err)
	}
	if l.held != 300_000 || m.held.Load() != 300_000 {
		t.Errorf("holds %d bytes, %d in all", l.held, m.held.Load())
	}
	if _, err := l.take(ctx, 1<<20, false); err != errInflight {
		t.Errorf("took more than there is: %v", err)
	}
	if _, err := l.readAll(ctx, strings.NewReader(strings.Repeat("x", 11)), make([]byte, 0, 10), 10, true); asRefusal(err).code != 413 {
		t.Errorf("one byte too many: %v", err)
	}
	l.give(nil)
	l.give(b[:10])
	l.give(b)
	if l.held != 0 {
		t.Errorf("holds %d bytes after giving all back", l.held)
	}
	for range 3 {
		if _, err := l.take(ctx, 200_000, true); err != nil {
			t.Fatal(err)
		}
	}
	l.close()
	if l.held != 0 || m.held.Load() != 0 || !m.budget.TryAcquire(1<<20) {
		t.Error("something is still held")
	}
}

func TestConcurrentRequestsDoNotMixBuffers(t *testing.T) {
	r := startWith(t, Config{InflightBytes: 49 << 20}, &everyNth{n: 2}, &memorySink{})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			req := traces(20 + worker)
			spans := req.Traces().ResourceSpans().At(0).ScopeSpans().At(0).Spans()
			for i := range spans.Len() {
				spans.At(i).SetName(fmt.Sprintf("worker-%d", worker))
			}
			body, err := req.MarshalProto()
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 50 {
				contents, header := body, "identity"
				switch i % 3 {
				case 1:
					contents, header = gz(t, body), "gzip"
				case 2:
					contents, header = zst(t, body), "zstd"
				}
				hr := newRequest(t, r.url, contents)
				hr.Header.Set("Content-Encoding", header)
				resp, err := r.client.Do(hr)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != 200 {
					t.Errorf("answered %d", resp.StatusCode)
				}
			}
		})
	}
	wg.Wait()
	for _, b := range r.sink.kept() {
		if first := bytes.Index(b.Payload, []byte("worker-")); first < 0 ||
			bytes.Count(b.Payload, b.Payload[first:first+8]) != b.Spans {
			t.Fatalf("a batch has spans of other requests: %q", b.Payload)
		}
	}
}
