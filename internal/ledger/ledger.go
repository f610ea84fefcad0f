// Package ledger accounts for every span: received = kept + sampled out +
// rejected + ruled out, and kept = pending + stuck + proven + discarded +
// damaged + unaccounted + acknowledged loss, of which unaccounted must be 0.
//
// It promises that the account balances after any crash. What became of kept
// spans is counted by the spool, in the files that hold them, so it is exact;
// the counts of spans that were not kept, and of those that a Tempo elsewhere
// discarded, are saved once a second, and a crash may forget the last second of
// them. Kept spans are counted a second time, by the receiver as it answers 200:
// what the spool has fewer of is unaccounted.
package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"appliance/internal/durable"
	"appliance/internal/spool"
)

const maxFile = 8 << 20

// Counts is what is saved.
type Counts struct {
	Kept       int64                       `json:"kept"` // acknowledged
	SampledOut map[string]int64            `json:"sampled_out,omitempty"`
	Rejected   map[string]int64            `json:"rejected,omitempty"`
	RuledOut   map[string]int64            `json:"ruled_out,omitempty"` // by rule
	Discarded  map[string]map[string]int64 `json:"discarded,omitempty"` // by tenant and reason
}

// Ledger is the account over all runs with one data directory.
type Ledger struct {
	fs   durable.FS
	path string

	saving sync.Mutex // held while the file is written
	saved  string

	mu        sync.Mutex
	earlier   Counts                      // of earlier runs
	discarded map[string]map[string]int64 // of all runs

	acknowledged Acknowledged
}

// Open reads what earlier runs have saved at path. kept is what the spool has
// ever kept: it counts more than the file, which a crash leaves up to a second
// behind. A file that cannot be read is reported as an error beside a Ledger
// that begins anew.
func Open(fsys durable.FS, path string, kept spool.Status) (*Ledger, error) {
	l := &Ledger{fs: fsys, path: path}
	text, err := durable.ReadFile(fsys, path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	} else if err == nil {
		if err = json.Unmarshal(text, &l.earlier); err != nil {
			l.earlier = Counts{}
			err = fmt.Errorf("read %s, so counts of spans that were not kept begin anew: %w", path, err)
		}
	}
	if err != nil { // whatever it held must not be written over
		err = errors.Join(err, durable.Rename(fsys, path, path+".damaged"))
	}
	l.earlier.Kept = max(l.earlier.Kept, total(kept))
	l.discarded = map[string]map[string]int64{}
	for tenant, reasons := range l.earlier.Discarded {
		// A crash may have forgotten the release of what was discarded: that is
		// pending again, and will be counted again.
		l.discarded[tenant] = atMost(reasons, kept.Released.Tenants[tenant].Spans)
	}
	return l, err
}

func total(st spool.Status) int64 {
	return st.Pending.Spans + st.Stuck.Spans + st.Released.Spans + st.Lost.Spans
}

// Discard enters spans of a tenant that a Tempo elsewhere discarded, or an operator.
func (l *Ledger) Discard(tenant, reason string, spans int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.discarded[tenant] == nil {
		l.discarded[tenant] = map[string]int64{}
	}
	l.discarded[tenant][reason] += int64(spans)
}

// Save writes the counts of all runs, given those of this one.
func (l *Ledger) Save(run Counts) error {
	l.saving.Lock()
	defer l.saving.Unlock()
	l.mu.Lock()
	all := Counts{
		Kept: l.earlier.Kept + run.Kept, SampledOut: add(l.earlier.SampledOut, run.SampledOut), Rejected: add(l.earlier.Rejected, run.Rejected),
		RuledOut: add(l.earlier.RuledOut, run.RuledOut), Discarded: l.discarded,
	}
	text, err := json.MarshalIndent(all, "", "  ")
	l.mu.Unlock()
	if err != nil {
		return fmt.Errorf("encode the ledger: %w", err)
	}
	if string(text) == l.saved {
		return nil
	}
	if err := durable.WriteFile(l.fs, l.path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("save the ledger: %w", err)
	}
	l.saved = string(text)
	return nil
}

// Account is the ledger at one moment, in spans.
type Account struct {
	Received   int64            `json:"received"`
	Kept       int64            `json:"kept"`
	SampledOut map[string]int64 `json:"sampled_out"`
	Rejected   map[string]int64 `json:"rejected"`
	RuledOut   map[string]int64 `json:"ruled_out"` // by rules at the door
	Pending    int64            `json:"pending"`   // in the spool
	// of them, spans of traces on which no tail rule has decided yet
	Undecided int64 `json:"undecided"`
	// set aside, since a Tempo elsewhere does not take them while it takes others
	Stuck       int64            `json:"stuck"`
	Proven      int64            `json:"proven"`    // read back from a block, or settled
	Discarded   map[string]int64 `json:"discarded"` // by a Tempo elsewhere, or by an operator
	Damaged     int64            `json:"damaged"`   // in the spool, by the disk
	Unaccounted int64            `json:"unaccounted"`
	// AcknowledgedLoss was damaged or unaccounted until an operator acknowledged it.
	AcknowledgedLoss int64             `json:"acknowledged_loss"`
	Tenants          map[string]Tenant `json:"tenants"`
}

// Tenant is the part of an Account that is known by tenant.
type Tenant struct {
	Kept      int64            `json:"kept"`
	Pending   int64            `json:"pending"`
	Stuck     int64            `json:"stuck"`
	Proven    int64            `json:"proven"`
	Discarded map[string]int64 `json:"discarded,omitempty"`
	Damaged   int64            `json:"damaged"` // what is acknowledged included
}

// Balance draws up the account. run must have been read before st, so that st
// holds all that run counts as kept.
func (l *Ledger) Balance(run Counts, st spool.Status) Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := Account{
		SampledOut: add(l.earlier.SampledOut, run.SampledOut), Rejected: add(l.earlier.Rejected, run.Rejected),
		RuledOut: add(l.earlier.RuledOut, run.RuledOut), Pending: st.Pending.Spans, Stuck: st.Stuck.Spans, Damaged: st.Lost.Spans, Discarded: map[string]int64{}, Tenants: map[string]Tenant{},
	}
	a.Unaccounted = max(0, l.earlier.Kept+run.Kept-total(st))
	out := sifted(st)
	a.SampledOut = add(a.SampledOut, out.Rules)
	a.Undecided = min(st.Undecided.Spans, st.Pending.Spans)
	a.Kept = total(st) + a.Unaccounted - sum(out.Tenants)
	a.Received = a.Kept + sum(a.SampledOut) + sum(a.Rejected) + sum(a.RuledOut)
	tenants := map[string]bool{}
	for _, tally := range []spool.Tally{st.Pending, st.Stuck, st.Released, st.Lost} {
		for name := range tally.Tenants {
			tenants[name] = true
		}
	}
	for name := range tenants {
		pending, released, lost := st.Pending.Tenants[name].Spans, st.Released.Tenants[name].Spans, st.Lost.Tenants[name].Spans
		stuck := st.Stuck.Tenants[name].Spans
		pending -= out.Pending[name]
		released -= out.Tenants[name] - out.Pending[name]
		discarded := atMost(l.discarded[name], released) // the rest was released after st was read
		a.Discarded = add(a.Discarded, discarded)
		a.Tenants[name] = Tenant{
			Kept: pending + stuck + released + lost, Pending: pending, Stuck: stuck, Damaged: lost,
			Proven: released - sum(discarded), Discarded: discarded,
		}
	}
	a.Pending -= sum(out.Pending)
	a.Proven = st.Released.Spans - (sum(out.Tenants) - sum(out.Pending)) - sum(a.Discarded)
	a.acknowledge(l.acknowledged)
	return a
}

// sifted is what tail sampling has left out. Of damaged records it may be that
// they count as pending no more, so it is never more than there is.
func sifted(st spool.Status) spool.Sifted {
	if st.Sifted == nil {
		return spool.Sifted{}
	}
	out := *st.Sifted
	out.Pending = map[string]int64{}
	for tenant, n := range st.Sifted.Pending {
		out.Pending[tenant] = max(0, min(n, st.Pending.Tenants[tenant].Spans))
	}
	return out
}

// atMost is counts whose sum is no more than most.
func atMost(counts map[string]int64, most int64) map[string]int64 {
	out := make(map[string]int64, len(counts))
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		if n := min(counts[reason], most); n > 0 {
			out[reason] = n
			most -= n
		}
	}
	return out
}

func add(a, b map[string]int64) map[string]int64 {
	out := make(map[string]int64, len(a)+len(b))
	maps.Copy(out, a)
	for k, n := range b {
		out[k] += n
	}
	return out
}

func sum(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}
