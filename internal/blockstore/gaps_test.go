package blockstore

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
	"appliance/internal/spool"
)

// Bytes of a record, counted from its start.
const header, payload = 10, 100

// unread is a disk that does not give some bytes of a file.
type unread struct {
	durable.FS
	mu   sync.Mutex
	name string
	at   []int64
}

// fail makes a byte of a record unreadable, of its header or its payload, and of
// others of the same segment.
func (u *unread) fail(t *testing.T, sp *spool.Spool, pos spool.Position, at int64, others ...spool.Position) {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.name, u.at = segmentOf(t, sp, pos), []int64{pos.Offset + at}
	for _, other := range others {
		u.at = append(u.at, other.Offset+at)
	}
}

// heal makes everything readable.
func (u *unread) heal() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.name = ""
}

// segmentOf is the file that a record is in.
func segmentOf(t *testing.T, sp *spool.Spool, at spool.Position) string {
	t.Helper()
	name, ok := sp.SegmentName(at.Segment)
	if !ok {
		t.Fatalf("record %s has no segment", at)
	}
	return "/spool/" + name + ".seg"
}

func (u *unread) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	f, err := u.FS.OpenFile(name, flag, perm)
	return unreadFile{f, u, name}, err
}

type unreadFile struct {
	durable.File
	disk *unread
	name string
}

func (f unreadFile) ReadAt(p []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	for _, at := range f.disk.at {
		if f.name == f.disk.name && off <= at && at < off+int64(len(p)) {
			return 0, syscall.EIO
		}
	}
	return f.File.ReadAt(p, off)
}

// slowly has parts open for longer than the reader tries to read a record.
func slowly(o *Options) { o.CutAfter, o.CutSpans = 30*time.Second, 1000 }

// damage changes a byte of the payload of a record.
func damage(t *testing.T, disk durable.FS, sp *spool.Spool, at spool.Position) {
	t.Helper()
	f, err := disk.OpenFile(segmentOf(t, sp, at), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	off := at.Offset + payload
	if _, err := f.ReadAt(b, off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if err := f.WritevAt([][]byte{b}, off); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

// sealed appends records of three spans until a segment is full, and returns where
// they are.
func sealed(t *testing.T, o *oracle, sp *spool.Spool) (at []spool.Position, ids [][]uint64) {
	t.Helper()
	for len(at) == 0 || at[len(at)-1].Segment == at[0].Segment {
		rec, of := o.spans("a", 3, func(id uint64) uint64 { return id })
		pos, err := sp.Append(rec)
		if err != nil {
			t.Fatal(err)
		}
		o.note("a", of)
		at, ids = append(at, pos), append(ids, of)
	}
	return at, ids
}

// TestUnreadableRecordIsInNoBlock has a record that the disk does not give while
// the spool is followed: the next start, to which the disk gives it, stores it.
func TestUnreadableRecordIsInNoBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, disk := newOracle(1), crashfs.New()
		bad := &unread{FS: disk}
		sp, s, err := tryOpen("/", bad, slowly)
		if err != nil {
			t.Fatal(err)
		}
		at, _ := sealed(t, o, sp)
		bad.fail(t, sp, at[4], payload)
		r := run(s, sp)
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := s.Status(); st.Blocks == 0 || sp.Status().Pending.Records != 1 {
			t.Errorf("all but one record are in blocks, and the status is %+v, %+v", st, sp.Status().Pending)
		}
		r.stop()
		again := start(t, "/", disk)
		defer again.stop()
		synctest.Wait()
		o.check(t, again.Store, "a")
		if err := again.Drain(background); err != nil {
			t.Fatal(err)
		}
		o.check(t, again.Store, "a")
	})
}

// TestManyUnreadableRecordsHoldUpNoOther has a dozen records, each of which stands
// alone after hours, and one that comes then: it is stored as soon as ever.
func TestManyUnreadableRecordsHoldUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, disk := newOracle(1), &unread{FS: crashfs.New()}
		s := start(t, "/", disk, slowly)
		defer s.stop()
		at, _ := sealed(t, o, s.spool)
		synctest.Wait()
		var bad []spool.Position
		for i := range 11 {
			bad = append(bad, at[22+2*i])
		}
		disk.fail(t, s.spool, at[20], payload, bad...)
		time.Sleep(24 * time.Hour)
		if n := s.spool.Status().Pending.Records; n != 12 {
			t.Errorf("besides 12 records others are in no block: %d", n)
		}
		for range 10 {
			if err := o.append(s.spool, "b"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(s.opt.CutAfter + 5*time.Second)
			synctest.Wait()
			if n := s.spool.Status().Pending.Tenants["b"].Records; n != 0 {
				t.Errorf("a record that came later is in no block: %d", n)
			}
		}
		disk.heal()
		if err := s.Drain(background); err != nil {
			t.Fatal(err)
		}
		o.check(t, s.Store, "a")
		o.check(t, s.Store, "b")
	})
}

// TestUnreadableRecordIsReadLater has records that the disk does not give while the
// spool is followed, and gives after an hour: they are stored without a restart, and
// a kill at that time stores nothing twice.
func TestUnreadableRecordIsReadLater(t *testing.T) {
	for name, at := range map[string]int64{"payload": payload, "header": header} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, disk := newOracle(1), crashfs.New()
				bad := &unread{FS: disk}
				sp, s, err := tryOpen("/", bad, slowly)
				if err != nil {
					t.Fatal(err)
				}
				positions, _ := sealed(t, o, sp)
				bad.fail(t, sp, positions[4], at, positions[5], positions[20])
				r := run(s, sp)
				time.Sleep(time.Hour)
				synctest.Wait()
				if n := sp.Status().Pending.Records; n < 3 || s.Status().Blocks == 0 {
					t.Errorf("three records cannot be read, and %d are pending", n)
				}
				bad.heal()
				time.Sleep(time.Hour)
				synctest.Wait()
				if n := sp.Status().Pending.Records; n != 0 {
					t.Errorf("all can be read again, and %d are pending", n)
				}
				o.check(t, s, "a")
				killed := disk.Kill()
				r.stop()
				again := start(t, "/", killed)
				defer again.stop()
				if err := again.Drain(background); err != nil {
					t.Fatal(err)
				}
				o.check(t, again.Store, "a")
			})
		})
	}
}

// TestGapsAreTriedInTurn has many records that the disk does not give, and gives but
// for the first ones later: few are tried at once, and all the others are stored.
func TestGapsAreTriedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, bad := newOracle(1), &unread{FS: crashfs.New()}
		sp, s, err := tryOpen("/", bad, slowly)
		if err != nil {
			t.Fatal(err)
		}
		at, _ := sealed(t, o, sp)
		bad.fail(t, sp, at[4], payload, at[5:35]...)
		r := run(s, sp)
		defer r.stop()
		time.Sleep(40 * readTries * readPause)
		synctest.Wait()
		first := sp.Status().Pending.Records
		time.Sleep(10 * skippedPause)
		bad.fail(t, sp, at[4], payload, at[5:15]...)
		time.Sleep(10 * skippedPause)
		synctest.Wait()
		if n := sp.Status().Pending.Records; first != 31 || n != 11 {
			t.Errorf("of %d records that were not given %d are pending", first, n)
		}
		bad.heal()
		time.Sleep(2 * skippedPause)
		if err := s.Drain(background); err != nil {
			t.Fatal(err)
		}
		o.check(t, s, "a")
	})
}

// TestGapStaysAsItIs has more records that the disk does not give when a gap is read
// again, some of which are in a block and not released: these are not read again.
func TestGapStaysAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, bad := newOracle(1), &unread{FS: crashfs.New()}
		sp, s, err := tryOpen("/", bad, slowly)
		if err != nil {
			t.Fatal(err)
		}
		at, _ := sealed(t, o, sp)
		bad.fail(t, sp, at[4], payload)
		r := run(s, sp)
		defer r.stop()
		time.Sleep(readTries*readPause + 5*time.Second)
		synctest.Wait()
		v := s.View("a") // holds back the release
		time.Sleep(time.Minute)
		bad.fail(t, sp, at[4], header) // and what the disk reads with it
		time.Sleep(skippedPause)
		synctest.Wait()
		bad.heal()
		time.Sleep(skippedPause)
		synctest.Wait()
		v.Close()
		synctest.Wait()
		o.check(t, s, "a")
		if err := s.Drain(background); err != nil {
			t.Fatal(err)
		}
		o.check(t, s, "a")
	})
}

// TestDamagedRecordStaysLost has a record that is damaged before it is followed,
// or after that and before a block is made. A kill forgets that it was counted,
// since a record before it is pending: it is counted again, and is not taken for
// one that the block has.
func TestDamagedRecordStaysLost(t *testing.T) {
	const before, found, after = "before it is followed", "found by another reader", "before a block is made"
	for _, name := range []string{before, found, after} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, disk := newOracle(1), crashfs.New()
				bad := &unread{FS: disk}
				sp, s, err := tryOpen("/", bad, slowly)
				if err != nil {
					t.Fatal(err)
				}
				at, ids := sealed(t, o, sp)
				all := int64(len(at)) * 3
				bad.fail(t, sp, at[0], payload)
				if name != after {
					damage(t, disk, sp, at[5])
				}
				if name == found {
					if _, err := sp.ReadAt(at[5], nil); !errors.Is(err, spool.ErrDamaged) {
						t.Errorf("a damaged record is read: %v", err)
					}
				}
				r := run(s, sp)
				if name == after {
					time.Sleep(readTries*readPause + time.Second)
					synctest.Wait()
					if n := s.Status().LiveSpans; n != all-3 {
						t.Errorf("%d spans were followed", n)
					}
					damage(t, disk, sp, at[5])
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if st := sp.Status(); st.Lost.Spans != 3 || st.Released.Spans != all-6 || st.Pending.Spans != 3 {
					t.Errorf("of %d spans three are lost and three pending, and the spool says %+v, %+v, %+v", all, st.Lost, st.Pending, st.Released)
				}
				o.forget("a", ids[5])
				killed := disk.Kill()
				r.stop()
				again := start(t, "/", killed)
				defer again.stop()
				if err := again.Drain(background); err != nil {
					t.Fatal(err)
				}
				o.check(t, again.Store, "a")
				if st := again.spool.Status(); st.Lost.Spans != 3 || st.Released.Spans != all-3 {
					t.Errorf("of %d spans three are lost, and the spool says %+v, released %+v", all, st.Lost, st.Released)
				}
			})
		})
	}
}

// TestUnreadableRecordHoldsUpNoOther has a record that the disk does not give once
// its part is to be made a block: all others are stored, those that come later as
// soon as ever, and the record once the disk gives it, in this run or the next.
func TestUnreadableRecordHoldsUpNoOther(t *testing.T) {
	for name, heals := range map[string]bool{"until it can be read": true, "until the next start": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, disk := newOracle(1), crashfs.New()
				bad := &unread{FS: disk}
				s := start(t, "/", bad, slowly)
				at, _ := sealed(t, o, s.spool)
				synctest.Wait()
				bad.fail(t, s.spool, at[20], payload)
				for range 60 {
					time.Sleep(5 * time.Second)
					if err := o.append(s.spool, "b"); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				// Within the time of a part, and the longest pause of the builder.
				if n := s.spool.Status().Pending; n.Tenants["a"].Records != 1 || n.Tenants["b"].Records > 2*(30+30)/5 {
					t.Errorf("besides one record others are in no block: %+v; the status is %+v", n, s.Status())
				}
				if heals {
					bad.heal()
				} else {
					s.stop()
					s = start(t, "/", disk, slowly)
				}
				defer s.stop()
				time.Sleep(2 * time.Minute)
				if err := s.Drain(background); err != nil {
					t.Fatal(err)
				}
				o.check(t, s.Store, "a")
				o.check(t, s.Store, "b")
			})
		})
	}
}

// TestUnreadableRecordAtAStart has records that are in a block and not released when
// the process is killed, one of which the disk does not give at the start: the
// others are not stored again.
func TestUnreadableRecordAtAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, disk := newOracle(1), crashfs.New()
		sp, s, err := tryOpen("/", disk, slowly)
		if err != nil {
			t.Fatal(err)
		}
		at, _ := sealed(t, o, sp)
		r := run(s, sp)
		synctest.Wait()
		v := s.View("a") // holds back the release
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := s.Status(); st.Blocks == 0 || sp.Status().Pending.Records != int64(len(at)) {
			t.Errorf("the status is %+v, and %d records are pending", st, sp.Status().Pending.Records)
		}
		killed := disk.Kill()
		v.Close()
		r.stop()
		bad := &unread{FS: killed}
		sp2, err := spool.Open("/spool", spool.Options{FS: bad, NoSpare: true, SegmentBytes: 16 << 10})
		if err != nil {
			t.Fatal(err)
		}
		bad.fail(t, sp2, at[4], header)
		o2 := small(sp2, "/", bad)
		slowly(&o2)
		s2, err := Open(background, o2)
		if err != nil {
			t.Fatal(err)
		}
		r2 := run(s2, sp2)
		defer r2.stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		o.check(t, s2, "a")
		bad.heal()
		if err := s2.Drain(background); err != nil {
			t.Fatal(err)
		}
		o.check(t, s2, "a")
	})
}
