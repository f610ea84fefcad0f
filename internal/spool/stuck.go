package spool

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"appliance/internal/durable"
)

const (
	stuckShare  = 16     // MaxBytes has room for as many times what may be stuck
	stuckMost   = 10_000 // records
	stuckSector = 4096   // bytes that a file takes are a multiple of it
)

// Aside is what is kept of a record that is given up although some of its spans
// cannot leave.
type Aside struct {
	Record          // the spans that cannot leave
	Origin Position // the record that they are in
	Why    string   // what was said when they were tried, for a person
}

// StuckInfo is a stuck record without its payload.
type StuckInfo struct {
	ID     StuckID
	Tenant string
	Spans  int
	Bytes  int64 // of its file
	lost   bool  // it is damaged
}

// Stuck holds spans that cannot leave for now, so that a few of them do not
// keep whole segments: a file for each record that they were in, of its name.
// They are part of MaxBytes. All methods may be called at the same time.
type Stuck struct {
	spool *Spool
	bytes atomic.Int64

	mu      sync.RWMutex // held for writing while spans move, so that Status counts each once
	records map[StuckID]StuckInfo
}

// Stuck is what has been set aside.
func (s *Spool) Stuck() *Stuck { return &s.stuck }

// Keep sets spans aside, at most once for a record, and then releases the
// records that they were in and any others. An error means that nothing was set
// aside; it is ErrFull when there is no room for more. It waits for the disk.
func (k *Stuck) Keep(asides []Aside, release ...Position) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var kept []StuckID
	err := k.room(asides)
	if err == nil {
		kept, err = k.write(asides)
	}
	if err == nil {
		err = k.spool.Release(release...)
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("set spans aside: %w", err)
	for _, id := range kept { // what was not released stays where it is
		held, undoErr := k.spool.holds(id)
		if undoErr == nil && held {
			undoErr = k.remove(id)
		}
		err = errors.Join(err, undoErr)
	}
	return err
}

// room says whether there is room for asides.
func (k *Stuck) room(asides []Aside) error {
	bytes := k.bytes.Load()
	for _, a := range asides {
		bytes += onDisk(int64(len(a.Payload)) + stuckSector)
	}
	if most := k.spool.opts.MaxBytes / stuckShare; bytes > most || len(k.records)+len(asides) > stuckMost {
		return fmt.Errorf("%d records are stuck, and there is room for %d of %d bytes: %w", len(k.records), stuckMost, most, ErrFull)
	}
	return nil
}

// write makes the files, but for records that were given up before: that is
// what an earlier Keep did.
func (k *Stuck) write(asides []Aside) (kept []StuckID, err error) {
	if len(asides) == 0 {
		return nil, nil
	}
	o := &k.spool.opts
	if err := durable.MkdirAll(o.FS, filepath.Join(k.spool.dir, stuckName), dirMode); err != nil {
		return nil, err
	}
	for _, a := range asides {
		id, held, err := k.spool.nameOf(a.Origin)
		if err != nil {
			return kept, err
		}
		if !held {
			continue
		}
		if err := k.put(StuckEntry{ID: id, Record: a.Record, Since: o.now(), Why: a.Why}); err != nil {
			// Its name may be there all the same: once the record has left, the next
			// start would take it for one that was set aside.
			return kept, errors.Join(err, k.remove(id))
		}
		kept = append(kept, id)
	}
	return kept, nil
}

func (k *Stuck) put(e StuckEntry) error {
	b, err := encodeStuck(e)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(k.spool.opts.FS, stuckPath(k.spool.dir, e.ID), b, fileMode); err != nil {
		return err
	}
	k.enter(StuckInfo{ID: e.ID, Tenant: e.Tenant, Spans: e.Spans, Bytes: int64(len(b))})
	return nil
}

func (k *Stuck) enter(i StuckInfo) {
	k.forget(i.ID)
	if k.records == nil {
		k.records = map[StuckID]StuckInfo{}
	}
	k.records[i.ID] = i
	k.bytes.Add(onDisk(i.Bytes))
}

func (k *Stuck) forget(id StuckID) {
	if i, ok := k.records[id]; ok {
		k.bytes.Add(-onDisk(i.Bytes))
		delete(k.records, id)
	}
}

func (k *Stuck) remove(id StuckID) error {
	if err := durable.Remove(k.spool.opts.FS, stuckPath(k.spool.dir, id)); err != nil {
		return fmt.Errorf("remove stuck record %s: %w", id, err)
	}
	k.forget(id)
	return nil
}

func onDisk(bytes int64) int64 { return (bytes + stuckSector - 1) / stuckSector * stuckSector }

// Replace leaves fewer spans in a stuck record than there were: the others are
// elsewhere. None: it is given up. That is durable at once. It is ErrGone where
// somebody has given it up already.
func (k *Stuck) Replace(id StuckID, rest Record, why string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.records[id]; !ok {
		return fmt.Errorf("replace stuck record %s: %w", id, ErrGone)
	}
	if rest.Spans == 0 {
		return k.remove(id)
	}
	was, _, err := readStuck(k.spool.opts.FS, k.spool.dir, id)
	if err != nil {
		return err
	}
	return k.put(StuckEntry{ID: id, Record: rest, Since: was.Since, Why: why})
}

// Read reads one stuck record: ErrGone and ErrDamaged say that it cannot be.
// One that is damaged counts as lost.
func (k *Stuck) Read(id StuckID) (StuckEntry, error) {
	e, _, err := readStuck(k.spool.opts.FS, k.spool.dir, id)
	if errors.Is(err, ErrDamaged) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if i, ok := k.records[id]; ok {
			i.lost = true
			k.records[id] = i
		}
	}
	return e, err
}

// List lists the stuck records that are not damaged, in the order in which they
// were received.
func (k *Stuck) List() []StuckInfo {
	k.mu.RLock()
	defer k.mu.RUnlock()
	list := make([]StuckInfo, 0, len(k.records))
	for _, id := range slices.Sorted(maps.Keys(k.records)) {
		if i := k.records[id]; !i.lost {
			list = append(list, i)
		}
	}
	return list
}

// open reads what is stuck. A crash may have come between setting aside and
// release, or have forgotten the release: such a record is still in its place,
// and its copy here is given up.
func (k *Stuck) open() error {
	ids, err := listStuck(k.spool.opts.FS, k.spool.dir)
	for _, id := range ids {
		held, err := k.spool.holds(id)
		if err == nil && held {
			err = k.remove(id)
		} else if err == nil {
			err = k.load(id)
		}
		if err != nil { // it is left alone, and the next Open tries again
			k.spool.failed("read what is stuck", err)
		}
	}
	return err
}

// inspect is open without any change.
func (k *Stuck) inspect(s *Spool) error {
	k.spool = s
	ids, err := listStuck(s.opts.FS, s.dir)
	for _, id := range ids {
		if held, err := s.holds(id); held || err != nil {
			continue
		}
		if err := k.load(id); err != nil && !errors.Is(err, ErrGone) {
			s.lastErr = err
		}
	}
	return err
}

func (k *Stuck) load(id StuckID) error {
	e, size, err := readStuck(k.spool.opts.FS, k.spool.dir, id)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	k.enter(StuckInfo{ID: id, Tenant: e.Tenant, Spans: e.Spans, Bytes: size, lost: err != nil})
	return err
}

// nameOf names the record at pos, and says whether it is neither released nor
// lost.
func (s *Spool) nameOf(pos Position) (id StuckID, held bool, err error) {
	g, f, end, err := s.acquire(pos.Segment)
	if errors.Is(err, ErrGone) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	defer s.release(g)
	p, err := g.walkTo(f, end).frameAt(pos)
	if errors.Is(err, ErrGone) || errors.Is(err, ErrDamaged) {
		return "", false, nil
	}
	return stuckID(g.identity, pos.Offset), err == nil && !s.isDone(g, p), err
}

// holds says that the record with a name is in its place. Ids of segments are
// used again once a spool was empty, so the salt counts too.
func (s *Spool) holds(id StuckID) (bool, error) {
	i, offset, ok := id.place()
	if !ok {
		return false, nil
	}
	name, held, err := s.nameOf(Position{i.id, offset})
	return held && name == id, err
}

// addTo adds what is stuck to the status of the spool, which counts it as
// released. k.mu is held.
func (k *Stuck) addTo(st *Status) {
	for _, i := range k.records {
		c := Counts{1, int64(i.Spans)}
		st.Released.add(i.Tenant, Counts{Spans: -c.Spans})
		if i.lost {
			st.Lost.add(i.Tenant, c)
		} else {
			st.Stuck.add(i.Tenant, c)
		}
	}
	st.Bytes += k.bytes.Load()
}
