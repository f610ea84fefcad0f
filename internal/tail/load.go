package tail

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"appliance/internal/durable"
	"appliance/internal/spool"
)

const sumsName = "sums.json"

// sums are what files left out that are gone, or are about to be.
type sums struct {
	Tenants map[string]int64 `json:"tenants"`
	Rules   map[string]int64 `json:"rules"`
	Folded  []string         `json:"folded,omitempty"`
}

// file is what is known of a file of verdicts.
type file struct{ touched time.Time }

// anything says whether there are verdicts of earlier runs.
func (l *Line) anything() (bool, error) {
	entries, err := l.o.FS.ReadDir(l.o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for verdicts: %w", err)
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return e.Name() == sumsName || strings.HasSuffix(e.Name(), suffix)
	}), nil
}

// load reads what earlier runs decided: how far, what was left out, and the
// verdicts that are remembered.
func (l *Line) load() error {
	total, err := l.readSums()
	if err != nil {
		return err
	}
	entries, err := l.o.FS.ReadDir(l.o.Dir)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, name := range l.o.Spool.SegmentNames() {
		there[name] = true
	}
	left := spool.Sifted{Pending: map[string]int64{}, Tenants: total.Tenants, Rules: total.Rules}
	now := time.Now()
	newest := int64(0)
	written := map[string]int64{} // the last frame of each file
	var segments []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || slices.Contains(total.Folded, name) {
			continue
		}
		s, _, err := readSegment(l.o.FS, l.known.path(name), func(f *frame) { written[name], newest = f.time, max(newest, f.time) })
		if err != nil {
			return err
		}
		s.each(func(tenant, rule string, spans int64) {
			left.Tenants[tenant] += spans
			left.Rules[rule] += spans
		})
		segments = append(segments, name)
		l.files[name] = &file{now}
		if s.last > 0 && there[name] {
			if id, ok := segmentID(name); ok {
				last := spool.Position{Segment: id, Offset: s.last + 1}
				if last.Compare(l.gate) > 0 {
					l.gate = last
				}
			}
		}
	}
	// Not by their names: the numbers begin again in a spool that was empty.
	slices.SortStableFunc(segments, func(a, b string) int { return cmp.Compare(written[a], written[b]) })
	if err := l.recall(segments, newest); err != nil {
		return err
	}
	if len(l.o.Rules) == 0 { // nothing waits
		l.gate = spool.Position{Segment: math.MaxUint64, Offset: math.MaxInt64}
	}
	return l.pending(left)
}

// pending counts what is left out of records that are not released, and puts
// the sieve in its place.
func (l *Line) pending(left spool.Sifted) error {
	for info, err := range l.o.Spool.Pending(spool.Position{}) {
		if err != nil {
			// It is counted as proven until then, and the account balances.
			l.trouble("not all records of the spool can be looked for in the verdicts", err)
			break
		}
		if info.Compare(l.gate) >= 0 {
			break
		}
		n, err := l.Left(info.Position)
		if err != nil {
			return err
		}
		if n > 0 {
			left.Pending[info.Tenant] += n
		}
	}
	l.o.Spool.SetSieve(l, l.gate, left)
	return nil
}

// recall remembers verdicts that are not too old: what is not decided may have
// come as long as Wait before the newest of them.
func (l *Line) recall(segments []string, newest int64) error {
	now := time.Now().UnixNano()
	for _, name := range segments {
		_, _, err := readSegment(l.o.FS, l.known.path(name), func(f *frame) {
			if l.tooOld(f.time, newest) && l.tooOld(min(f.time, now), max(f.time, now)) {
				return
			}
			for _, t := range f.traces {
				v := verdictOf{
					id: t.id, tenant: l.tenants.of(f.tenants[t.tenant]),
					rule: l.names.of(f.outcomes[t.outcome].rule), threshold: pack(f.outcomes[t.outcome].threshold),
				}
				l.late.put(v.of(), func(to *verdictOf) { *to = v })
			}
		})
		if err != nil {
			return err
		}
	}
	l.age(time.Now())
	l.setOpen()
	return nil
}

// tooOld says whether what is of a time means nothing at another. Verdicts are
// compared with the newest of them, since those of before a time in which
// nothing ran are not older for it, and with now, since the newest may be of a
// clock that was ahead.
func (l *Line) tooOld(then, now int64) bool { return now-then > int64(l.o.Remember+l.o.Wait) }

// segmentID is the number in the name of a segment.
func segmentID(name string) (uint64, bool) {
	id, _, _ := strings.Cut(name, "-")
	n, err := strconv.ParseUint(id, 16, 64)
	return n, err == nil
}

func (l *Line) readSums() (sums, error) {
	s := sums{Tenants: map[string]int64{}, Rules: map[string]int64{}}
	b, err := durable.ReadFile(l.o.FS, filepath.Join(l.o.Dir, sumsName), maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("read %s: %w; move it away, and counts of what the rules left out begin again", filepath.Join(l.o.Dir, sumsName), err)
	}
	return s, nil
}

// touch notes that something was written for a segment.
func (l *Line) touch(segment string, now time.Time) { l.files[segment] = &file{now} }

// fold forgets values of per that no trace has any more, and removes the files of
// segments that are gone, once their verdicts are too old.
func (l *Line) fold(now time.Time) {
	if now.Sub(l.folded) < foldEvery {
		return
	}
	l.folded = now
	l.forgetValues()
	l.journal.makeRoom()
	if err := l.tryFold(now); err != nil {
		l.trouble("old verdicts cannot be removed; trying again", err)
	}
}

func (l *Line) tryFold(now time.Time) error {
	there := l.o.Spool.SegmentNames()
	l.known.keep(there)
	total, err := l.readSums()
	if err != nil {
		return err
	}
	var gone []string
	removed := false
	for _, name := range total.Folded {
		if l.files[name] == nil && slices.Contains(l.undead, name) {
			continue
		}
		if err := l.removeFile(name); err != nil {
			return err
		}
		removed = true
	}
	for name, f := range l.files {
		if now.Sub(f.touched) > l.o.Remember+l.o.Wait+farBehind && !slices.Contains(there, name) {
			gone = append(gone, name)
		}
	}
	if len(gone) == 0 && !removed {
		return nil
	}
	slices.Sort(gone)
	for _, name := range gone {
		s, _, err := readSegment(l.o.FS, l.known.path(name), nil)
		if err != nil {
			return err
		}
		s.each(func(tenant, rule string, spans int64) {
			total.Tenants[tenant] += spans
			total.Rules[rule] += spans
		})
	}
	total.Folded = slices.Concat(gone, l.undead)
	text, err := json.Marshal(total)
	if err != nil {
		return fmt.Errorf("encode sums of verdicts: %w", err)
	}
	if err := durable.WriteFile(l.o.FS, filepath.Join(l.o.Dir, sumsName), append(text, '\n'), fileMode); err != nil {
		return err
	}
	for _, name := range gone {
		if l.journal.name == name {
			l.journal.close()
		}
		if err := l.removeFile(name); err != nil {
			return err
		}
	}
	return nil
}

// removeFile removes a file whose sums are noted. Where that failed it may be there
// again after a crash, whatever is synced later, and counts no more until the next
// start has removed it.
func (l *Line) removeFile(name string) error {
	err := durable.Remove(l.o.FS, l.known.path(name))
	if err == nil {
		delete(l.files, name)
	} else if !slices.Contains(l.undead, name) {
		l.undead = append(l.undead, name)
	}
	return err
}
