package oracle

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"

	"appliance/e2e/internal/harness"
)

// Reader reads a trace by its id, 32 hexadecimal digits. harness.ErrNotFound
// says that there is none.
type Reader func(ctx context.Context, id string) (*tempopb.Trace, error)

// Verdict is what a reading gave, in spans.
type Verdict struct {
	Traces    int
	Acked     int64 // different ones answered 200
	Found     int64 // of them
	Extra     int64 // of those that were not answered 200, found nevertheless
	Missing   int64
	Corrupted int64
	Invented  int64
	// twice in one answer or block; in a store also in two blocks, though sent once
	Duplicated int64
	Copies     int64 // in one more block

	// MissingOf counts what is missing by the number of the request that it was sent in.
	MissingOf map[uint32]int64
	Examples  []string // of what is wrong
	Took      time.Duration
}

// Clean says that nothing is missing, corrupted or invented.
func (v Verdict) Clean() bool { return v.Missing == 0 && v.Corrupted == 0 && v.Invented == 0 }

func (v Verdict) String() string {
	return fmt.Sprintf("%d traces, %d spans answered 200, of which found %d, missing %d, corrupted %d, invented %d, duplicated %d; %d copies, %d that were not answered 200; read in %.1f s",
		v.Traces, v.Acked, v.Found, v.Missing, v.Corrupted, v.Invented, v.Duplicated, v.Copies, v.Extra, v.Took.Seconds())
}

func (v *Verdict) add(f *finding) {
	v.Acked += f.acked
	v.Found += f.found
	v.Extra += f.extra
	v.Missing += f.missing
	v.Corrupted += f.corrupted
	v.Invented += f.invented
	v.Duplicated += f.duplicated
	v.Copies += f.copies
	for _, n := range f.missingOf {
		v.MissingOf[n]++
	}
	if len(v.Examples) < 10 {
		v.Examples = append(v.Examples, f.examples...)
	}
}

// JudgeBlocks reads all finished blocks below directories of Tempo's, which
// takes some seconds for a million spans. Blocks may also have traces of other
// oracles. No load may be running.
func (o *Oracle) JudgeBlocks(dirs ...string) (Verdict, error) {
	paths, err := blocks(dirs...)
	if err != nil {
		return Verdict{}, err
	}
	return o.judgePaths(paths, 0)
}

// JudgeStore reads all finished blocks of an appliance's store, and those below
// more directories, such as its archive. In the store no span may be twice that
// was sent once. It reads again while blocks come and go, until patience ends.
func (o *Oracle) JudgeStore(patience time.Duration, store string, more ...string) (Verdict, error) {
	for deadline := time.Now().Add(patience); ; {
		own, err := blocks(store)
		if err != nil {
			return Verdict{}, err
		}
		others, err := blocks(more...) // after those: what goes from the store is here before
		if err != nil {
			return Verdict{}, err
		}
		v, err := o.judgePaths(slices.Concat(own, others), len(own))
		if err != nil {
			return v, err
		}
		if again, err := changes(store, own, deadline); err != nil || !again {
			return v, err
		}
	}
}

// judgePaths reads blocks, of which the first are in the store of one appliance.
func (o *Oracle) judgePaths(paths []string, inStore int) (Verdict, error) {
	began := time.Now()
	traces, tries := o.traces()
	findings := make([]*finding, len(traces))
	numbers := make(map[[16]byte]int, len(traces))
	for i, rec := range traces {
		findings[i] = &finding{trace: uint64(i) + 1, seenIn: make([]uint32, len(rec.acked)), inStore: uint32(inStore)}
		numbers[o.f.traceID(uint64(i)+1)] = i
	}
	v := Verdict{Traces: len(traces), MissingOf: map[uint32]int64{}}
	for source, path := range paths {
		err := readBlock(path, func(c content, _ string) {
			switch i, ok := numbers[c.traceID]; {
			case ok:
				findings[i].see(&o.f, source, c)
			case o.f.owns(c.traceID):
				v.Invented++
				v.Examples = append(v.Examples, fmt.Sprintf("trace %x was never sent", c.traceID))
			}
		})
		if err != nil {
			return v, err
		}
	}
	for i, f := range findings {
		f.conclude(traces[i])
		f.judgeRepeated(traces[i], tries)
		v.add(f)
		if f.invented+f.corrupted > 0 {
			o.suspects = append(o.suspects, i)
		}
	}
	v.Took = time.Since(began)
	return v, nil
}

// Judge reads traces one by one: those in whose blocks something was wrong, the
// longest, and others by chance, about limit in all; 0 means every one. Those
// of which something is missing are read again until patience ends. No load may
// be running.
func (o *Oracle) Judge(ctx context.Context, read Reader, limit int, patience time.Duration) (Verdict, error) {
	began := time.Now()
	traces, _ := o.traces()
	todo := choose(traces, limit)
	for _, i := range o.suspects {
		if !slices.Contains(todo, i) && len(todo) < 2*limit {
			todo = append(todo, i)
		}
	}
	v := Verdict{Traces: len(todo), MissingOf: map[uint32]int64{}}
	deadline := began.Add(patience)
	for len(todo) > 0 {
		var again []int
		for _, f := range o.readAll(ctx, read, traces, todo) {
			late := time.Now().After(deadline) || ctx.Err() != nil
			switch {
			case !late && (f.missing > 0 || f.err != nil):
				again = append(again, int(f.trace)-1)
			case f.err != nil:
				return v, fmt.Errorf("read trace %d of %d: %w", f.trace, len(traces), f.err)
			default:
				v.add(f)
			}
		}
		if todo = again; len(todo) > 0 {
			pause(ctx, 500*time.Millisecond)
		}
	}
	v.Took = time.Since(began)
	return v, ctx.Err()
}

// traces is what was sent to each, and tries how often each request was sent.
// Nothing of it changes while no load is running.
func (o *Oracle) traces() (traces []record, tries map[uint32]int) {
	o.book.mu.Lock()
	defer o.book.mu.Unlock()
	return slices.Clone(o.book.traces), maps.Clone(o.book.again)
}

// choose returns the indices of all traces, or of the longest third of limit
// and of others by chance.
func choose(traces []record, limit int) []int {
	all := make([]int, len(traces))
	for i := range all {
		all[i] = i
	}
	if limit == 0 || len(all) <= limit {
		return all
	}
	slices.SortFunc(all, func(a, b int) int { return len(traces[b].acked) - len(traces[a].acked) })
	rest := all[limit/3:]
	rand.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	return all[:limit]
}

const readers = 2 // more only wait for each other

func (o *Oracle) readAll(ctx context.Context, read Reader, traces []record, todo []int) []*finding {
	findings := make([]*finding, len(todo))
	next := make(chan int)
	var all sync.WaitGroup
	for range min(readers, len(todo)) {
		all.Go(func() {
			for i := range next {
				findings[i] = o.readOne(ctx, read, uint64(todo[i])+1, traces[todo[i]])
			}
		})
	}
	for i := range todo {
		next <- i
	}
	close(next)
	all.Wait()
	return findings
}

func (o *Oracle) readOne(ctx context.Context, read Reader, number uint64, rec record) *finding {
	f := &finding{trace: number, seenIn: make([]uint32, len(rec.acked))}
	id := o.f.traceID(number)
	got, err := read(ctx, hex.EncodeToString(id[:]))
	if err != nil && !errors.Is(err, harness.ErrNotFound) {
		f.err = err
		return f
	}
	spansOf(got, func(c content) { f.see(&o.f, 0, c) })
	f.conclude(rec)
	return f
}
