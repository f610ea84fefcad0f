package forwarder

import (
	"context"
	"time"
)

const (
	// firstAnswer is how long the first spans wait for the first answer of Tempo:
	// what it has discarded by then is not ours.
	firstAnswer = 2 * time.Second
	// while Tempo has said nothing, it is asked at least that often
	askSoon = time.Second
)

// watch asks Tempo what it says of itself, often enough that none of its ends
// goes unnoticed while spans wait for it to write them to its disk. Nothing else
// waits for an answer. begun is called after the first round.
func (f *Forwarder) watch(ctx context.Context, begun func()) {
	defer begun()
	if f.o.Ask == nil {
		return
	}
	every, said := max(f.o.Settle/4, time.Millisecond), false
	for {
		said = f.askRound(ctx) || said
		begun()
		pause := every
		if !said {
			pause = min(every, askSoon)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// askRound asks once for each process that is known, and says whether one
// answered.
func (f *Forwarder) askRound(ctx context.Context) (said bool) {
	for range f.processes.asks() {
		asked := time.Now()
		answer, err := f.o.Ask(ctx)
		switch {
		case ctx.Err() != nil:
			return said
		case err != nil:
			f.stats.trouble(err)
			f.o.Logger.Debug("tempo does not say when it started", "err", err)
		default:
			said = true
			f.heard(answer, asked)
		}
	}
	f.processes.endRound()
	return said
}

func (f *Forwarder) heard(answer Said, asked time.Time) {
	before, known, several := f.processes.answered(answer, asked)
	if several {
		f.o.Logger.Warn("several processes of tempo answer; what they take settles once each of them was seen to live on",
			"hint", "let forwarder.tempo_url and tempo.query_url lead to one Tempo")
	}
	f.said.heard(answer.Discarded, before, known, asked)
}

// target says where spans go now, and when it was last known that no process
// of that run of Tempo has ended.
func (f *Forwarder) target() (target Target, since time.Time, err error) {
	if f.o.Ask == nil {
		target, err = f.o.Target()
		return target, time.Now(), err
	}
	// before Target: it may wait, and what is known must not be newer than since
	name, since := f.processes.run()
	target, err = f.o.Target()
	if name == "" {
		target.Process = "" // it has not said, or not now: that is not another run
	} else {
		target.Process += name
	}
	return target, since, err
}
