package forwarder

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// round is a round of answers, each by the start of its process.
func (p *processes) round(asked time.Time, started ...float64) string {
	for _, s := range started {
		p.answered(Said{Started: s}, asked)
	}
	p.endRound()
	name, _ := p.run()
	return name
}

func TestAProcessThatStartsAgain(t *testing.T) {
	var p processes
	now := time.Now()
	first := p.round(now, 100)
	if first == "" || p.round(now, 100) != first {
		t.Error("one process is not one run")
	}
	if p.round(now) != "" {
		t.Error("nothing answers, and the run is known")
	}
	if p.round(now, 100) != first {
		t.Error("a process that answers again is another run")
	}
	second := p.round(now, 200)
	if second == first || p.round(now, 200) != second || p.asks() != 1 {
		t.Error("a process that started again is not one other run")
	}
}

// Two that answer by turns are no restart, and what they took is safe only once
// both were seen. The end of either is noticed.
func TestProcessesByTurns(t *testing.T) {
	var p processes
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	p.round(at(0), 100)
	run := p.round(at(1), 200)
	for i := 2; i < 50; i++ {
		if got := p.round(at(i), float64(100+100*(i%2))); got != run {
			t.Fatalf("round %d: the run is %s, want %s", i, got, run)
		}
		if _, since := p.run(); i > 2 && !since.Equal(at(i-1)) {
			t.Fatalf("round %d: both were seen at %s, want that of the round before", i, since)
		}
	}
	if p.asks() != 2 {
		t.Errorf("%d questions in a round, want one for each process", p.asks())
	}
	again := p.round(at(50), 300, 100)
	if again == run || p.round(at(51), 300, 100) != again {
		t.Error("a process that started again is not one other run")
	}
	for i := range roundsUnseen - 1 {
		if p.round(at(52+i), 300) != again {
			t.Fatalf("a process has ended after %d rounds in which others answered", i+1)
		}
	}
	p.round(at(70)) // one in which nothing answers says nothing
	gone := p.round(at(71), 300)
	if gone == again {
		t.Error("the process that went was not noticed")
	}
	if p.round(at(72), 300, 100) != gone {
		t.Error("a process that comes back is another run")
	}
}

// A process whose clock is behind that of the one before it has an older start.
func TestAnOlderProcessInThePlaceOfAnother(t *testing.T) {
	var p processes
	now := time.Now()
	first := p.round(now, 200)
	for range roundsUnseen {
		if _, since := p.run(); since.After(now) {
			t.Fatal("what the ended process took counts as safe")
		}
		p.round(now.Add(time.Hour), 100)
	}
	if name, since := p.run(); name == first || !since.After(now) {
		t.Errorf("the run is %s since %s, and was %s", name, since, first)
	}
}

// Whatever start times are made up, a bounded number is remembered and asked for.
func TestProcessesAreBounded(t *testing.T) {
	var p processes
	for i := range 1000 {
		for range p.asks() {
			p.answered(Said{Started: float64(1e6 - i)}, time.Now())
		}
		p.endRound()
	}
	if len(p.seen) > 2*roundsUnseen*mostAsks || p.asks() != mostAsks {
		t.Errorf("%d processes are known, %d are asked", len(p.seen), p.asks())
	}
}

// Two Tempos behind a balancer get each span once, and that there are two is
// said once.
func TestTwoTempos(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	k.process = "" // it is not a service of Nomad's
	keep(t, s, "a", upTo(0, 10)...)
	o := k.options(s)
	var log bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var mu sync.Mutex
	n := 0
	o.Ask = func(context.Context) (Said, error) {
		mu.Lock()
		defer mu.Unlock()
		n++
		return Said{Started: float64(100 + n%2*100)}, nil
	}
	f, stop := k.start(o)
	empty(t, s)
	eventually(t, "all is counted", func() bool { return f.Stats().ProvenSpans == 10 })
	keep(t, s, "a", upTo(10, 10)...)
	empty(t, s)
	stop()
	if sent := k.times(); sent[numbered(0)] != 1 || sent[numbered(10)] != 1 {
		t.Errorf("spans were sent %d and %d times", sent[numbered(0)], sent[numbered(10)])
	}
	if said := strings.Count(log.String(), "several processes"); said != 1 {
		t.Errorf("that there are several was said %d times:\n%s", said, &log)
	}
}

// Spans are sent while a question waits for its answer.
func TestAHangingAnswerDoesNotHoldUpSending(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	o := k.options(s)
	o.Settle = time.Hour
	o.Ask = func(ctx context.Context) (Said, error) {
		<-ctx.Done()
		return Said{}, errors.New("it hangs")
	}
	k.run(New(o))
	for i := range 5 {
		keep(t, s, "a", numbered(i))
		k.gets(i + 1)
	}
}
