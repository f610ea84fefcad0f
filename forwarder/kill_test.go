package forwarder

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"appliance/internal/spool"
)

var kills = flag.Int("kills", 10, "how often the process is killed in TestKillNine")

const (
	writesAfter  = 100 * time.Millisecond // what the Tempo of TestKillNine holds in memory only
	killedSettle = 150 * time.Millisecond
)

// world is the Tempo of TestKillNine, in the parent. What it took some time ago
// is on its disk, and never lost.
type world struct {
	*tempo
	held    []heldSpans
	written map[id]bool
}

type heldSpans struct {
	spans []id
	at    time.Time
}

func (w *world) hold(spans []id) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(w.held, heldSpans{spans, time.Now()})
}

// write notes what is on the disk by now. w.mu is held.
func (w *world) write() {
	for len(w.held) > 0 && time.Since(w.held[0].at) > writesAfter {
		for _, s := range w.held[0].spans {
			w.written[s] = true
		}
		w.held = w.held[1:]
	}
}

// end is the end of Tempo with what it has not written.
func (w *world) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.write()
	w.held = nil
	w.process += "'"
}

func (w *world) serveProcess(rw http.ResponseWriter, _ *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = io.WriteString(rw, w.process)
}

func (w *world) safe() map[id]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.write()
	return maps.Clone(w.written)
}

// spansOfRecord are those of the record with a number.
func spansOfRecord(n int) []id { return upTo(8*n, 1+n%8) }

// killed is the process: it keeps records, says which are acknowledged, and
// forwards them until it is killed.
func killed(dir, url string) error {
	s, err := spool.Open(dir, killedOptions)
	if err != nil {
		return err
	}
	var first int
	_, _ = fmt.Sscan(os.Getenv("FORWARDER_KILLED_FIRST"), &first)
	go func() {
		for n := first; ; n++ {
			spans := spansOfRecord(n)
			_, err := s.Append(spool.Record{Tenant: "a", Spans: len(spans), Time: time.Now(), Payload: payload(spans)})
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			fmt.Printf("acked %d\n", n) // one write: it is there or not
		}
	}()
	f := remote(s, url)
	return f.Run(context.Background())
}

var killedOptions = spool.Options{MaxBytes: 256 << 20, SegmentBytes: 64 << 10, NoSpare: true, CheckpointEvery: 3 * time.Millisecond}

// remote is a forwarder that asks over HTTP which run of Tempo there is.
func remote(s *spool.Spool, url string) *Forwarder {
	f := New(Options{
		Spool: s, Settle: killedSettle, timeout: time.Second, linger: time.Millisecond, every: 5 * time.Millisecond, batch: 4 << 10,
		Target: func() (Target, error) {
			resp, err := http.Get(url + "/process")
			if err != nil {
				return Target{}, err
			}
			defer resp.Body.Close()
			process, err := io.ReadAll(resp.Body)
			return Target{URL: url + "/v1/traces", Process: string(process)}, err
		},
	})
	f.pause = 10 * time.Millisecond
	return f
}

// A process with a spool and a forwarder is killed with SIGKILL at random times,
// while Tempo now and then ends, loses what it has not written, and answers all
// kinds of things: whatever was acknowledged and is not in the spool any more is
// on Tempo's disk.
func TestKillNine(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(3, 4))
	w := &world{tempo: newTempo(t), written: map[id]bool{}}
	var ill sync.Mutex
	answers := rand.New(rand.NewPCG(5, 6))
	w.answering(func(rw http.ResponseWriter, r *http.Request, got request) bool {
		ill.Lock()
		dice := answers.IntN(40)
		ill.Unlock()
		switch {
		case dice == 0:
			rw.WriteHeader(http.StatusServiceUnavailable)
		case dice == 1:
			w.hold(got.spans) // but the answer is lost
			reset(rw, r)
		case dice == 2: // something else answers for Tempo
			rw.Header().Set("Content-Type", "text/html")
		default:
			w.hold(got.spans)
			return true
		}
		return false
	})
	mux := http.NewServeMux()
	mux.HandleFunc("/process", w.serveProcess)
	mux.Handle("/v1/traces", w.tempo)
	front := httptest.NewServer(mux)
	defer front.Close()

	acked, next, left := map[int]bool{}, 0, 0
	for kill := range *kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "FORWARDER_KILLED_DIR="+dir, "FORWARDER_KILLED_URL="+front.URL, fmt.Sprint("FORWARDER_KILLED_FIRST=", next))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		over := time.AfterFunc(time.Duration(50+rng.IntN(550))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for in := bufio.NewScanner(out); in.Scan(); {
			var n int
			if _, err := fmt.Sscanf(in.Text(), "acked %d", &n); err != nil {
				t.Fatalf("the process says %q", in.Text())
			}
			acked[n] = true
			next = max(next, n+1)
			if rng.IntN(200) == 0 {
				w.end()
			}
		}
		over.Stop()
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
			t.Fatalf("the process ended by itself: %v", err)
		}
		next += 2 // one may be kept without being acknowledged
		if rng.IntN(2) == 0 {
			w.end() // as where one machine has both
		}
		left = checkKilled(t, kill, dir, acked, w.safe())
	}

	// The last run ends in order.
	w.answering(func(_ http.ResponseWriter, _ *http.Request, got request) bool { w.hold(got.spans); return true })
	s, err := spool.Open(dir, killedOptions)
	must(t, err)
	stop := w.run(remote(s, front.URL))
	eventually(t, "everything has settled", func() bool { return s.Status().Pending.Records == 0 })
	stop()
	lost := s.Status().Lost.Records
	must(t, s.Close())
	safe := w.safe()
	for n := range acked {
		for _, span := range spansOfRecord(n) {
			if !safe[span] {
				t.Fatalf("a span of record %d is not on the disk", n)
			}
		}
	}
	if lost != 0 {
		t.Errorf("the spool lost %d records", lost)
	}
	t.Logf("%d kills, %d records acknowledged, %d left the spool before the last run", *kills, len(acked), left)
	http.DefaultClient.CloseIdleConnections()
}

// checkKilled holds what a killed process left against what is on Tempo's
// disk, and returns how many records have left the spool.
func checkKilled(t *testing.T, kill int, dir string, acked map[int]bool, safe map[id]bool) (left int) {
	t.Helper()
	s, err := spool.Open(dir, killedOptions)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	pending := map[id]bool{}
	for info, err := range s.Pending(spool.Position{}) {
		must(t, err)
		e, err := s.ReadAt(info.Position, nil)
		must(t, err)
		spans, err := spansOf(e.Payload)
		must(t, err)
		pending[spans[0]] = true
	}
	for n := range acked {
		if pending[spansOfRecord(n)[0]] {
			continue
		}
		left++
		for _, span := range spansOfRecord(n) {
			if !safe[span] {
				t.Fatalf("kill %d: record %d has left the spool, and Tempo has not written one of its spans", kill, n)
			}
		}
	}
	return left
}
