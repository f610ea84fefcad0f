package forwarder

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"appliance/internal/spool"
)

var kills = flag.Int("kills", 10, "how often the process is killed in TestKillNine")

// world is the Tempo of TestKillNine, in the parent; blocks that it has made are never lost.
type world struct {
	*tempo
	all []block // ever made
}

// written is what the killed process asks for: the blocks after a number, and which process Tempo is.
type written struct {
	Process string
	Blocks  []writtenBlock
}

type writtenBlock struct {
	Tenant string
	Spans  []id
}

func (w *world) serveBlocks(rw http.ResponseWriter, r *http.Request) {
	var after int
	_, _ = fmt.Sscan(r.URL.Query().Get("after"), &after)
	w.mu.Lock()
	defer w.mu.Unlock()
	answer := written{Process: w.process}
	for _, b := range w.all[min(after, len(w.all)):] {
		answer.Blocks = append(answer.Blocks, writtenBlock{b.tenant, b.spans})
	}
	_ = json.NewEncoder(rw).Encode(answer)
}

// cutSome makes a block of some of what is held.
func (w *world) cutSome(rng *rand.Rand, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for tenant, spans := range w.held {
		rng.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
		n := len(spans)
		if !all {
			n = rng.IntN(n + 1)
		}
		w.all = append(w.all, block{tenant, slices.Clone(spans[:n])})
		w.held[tenant] = spans[n:]
	}
}

func (w *world) safe() map[id]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	safe := map[id]bool{}
	for _, b := range w.all {
		for _, s := range b.spans {
			safe[s] = true
		}
	}
	return safe
}

// spansOfRecord are those of the record with a number.
func spansOfRecord(n int) []id { return upTo(8*n, 1+n%8) }

// killed is the process: it keeps records, says which are acknowledged, and forwards them until it is killed.
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

// remote is a forwarder that learns of blocks over HTTP.
func remote(s *spool.Spool, url string) *Forwarder {
	after := 0
	ask := func() (written, error) {
		var w written
		resp, err := http.Get(fmt.Sprintf("%s/blocks?after=%d", url, after))
		if err != nil {
			return w, err
		}
		defer resp.Body.Close()
		return w, json.NewDecoder(resp.Body).Decode(&w)
	}
	var mu sync.Mutex
	f := New(Options{
		Spool: s, ResendAfter: 300 * time.Millisecond, Timeout: time.Second, Linger: time.Millisecond, ProveEvery: 5 * time.Millisecond, BatchBytes: 4 << 10,
		Target: func() (Target, error) {
			mu.Lock()
			defer mu.Unlock()
			w, err := ask()
			return Target{URL: url + "/v1/traces", Process: w.Process}, err
		},
		Blocks: func(context.Context) ([]Block, error) {
			mu.Lock()
			defer mu.Unlock()
			w, err := ask()
			if err != nil {
				return nil, err
			}
			after += len(w.Blocks)
			blocks := make([]Block, len(w.Blocks))
			for i, b := range w.Blocks {
				blocks[i] = block{b.Tenant, b.Spans}
			}
			return blocks, nil
		},
	})
	f.pause = 10 * time.Millisecond
	return f
}

// A process with a spool and a forwarder is killed with SIGKILL at random times, while Tempo makes blocks of some of what
// it got, now and then ends, and answers all kinds of things: whatever was acknowledged and is not in the spool any
// more is in a block.
func TestKillNine(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(3, 4))
	w := &world{tempo: newTempo(t)}
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
			w.take(got.tenant, got.spans) // but the answer is lost
			reset(rw, r)
		case dice == 2: // acknowledged and forgotten
		default:
			return true
		}
		return false
	})
	mux := http.NewServeMux()
	mux.HandleFunc("/blocks", w.serveBlocks)
	mux.Handle("/v1/traces", w.tempo)
	front := httptest.NewServer(mux)
	defer front.Close()

	acked, next := map[int]bool{}, 0
	for kill := range *kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "FORWARDER_KILLED_DIR="+dir, "FORWARDER_KILLED_URL="+front.URL, fmt.Sprint("FORWARDER_KILLED_FIRST=", next))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		over := time.AfterFunc(time.Duration(50+rng.IntN(350))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for in := bufio.NewScanner(out); in.Scan(); {
			var n int
			if _, err := fmt.Sscanf(in.Text(), "acked %d", &n); err != nil {
				t.Fatalf("the process says %q", in.Text())
			}
			acked[n] = true
			next = max(next, n+1)
			if rng.IntN(30) == 0 {
				w.cutSome(rng, false)
			}
			if rng.IntN(2000) == 0 {
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
			w.end() // an embedded one ends with its parent
		}
		checkKilled(t, kill, dir, acked, w.safe())
	}

	// The last run ends in order.
	w.answering(nil)
	s, err := spool.Open(dir, killedOptions)
	must(t, err)
	stop := w.run(remote(s, front.URL))
	eventually(t, "everything is proven", func() bool { w.cutSome(rng, true); return s.Status().Pending.Records == 0 })
	stop()
	lost := s.Status().Lost.Records
	must(t, s.Close())
	safe := w.safe()
	for n := range acked {
		for _, span := range spansOfRecord(n) {
			if !safe[span] {
				t.Fatalf("a span of record %d is in no block", n)
			}
		}
	}
	if lost != 0 {
		t.Errorf("the spool lost %d records", lost)
	}
	t.Logf("%d kills, %d records acknowledged, %d blocks", *kills, len(acked), len(w.all))
	http.DefaultClient.CloseIdleConnections()
}

// checkKilled holds what a killed process left against the blocks that there are.
func checkKilled(t *testing.T, kill int, dir string, acked map[int]bool, safe map[id]bool) {
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
		for _, span := range spansOfRecord(n) {
			if !safe[span] {
				t.Fatalf("kill %d: record %d has left the spool, and one of its spans is in no block", kill, n)
			}
		}
	}
}
