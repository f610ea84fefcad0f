package blockstore

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/block"
	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// TestOneBadBlockHoldsUpNoOther has a block that cannot be read any more when it is
// to be merged: all others become final. Where the disk gives it again, so does it.
func TestOneBadBlockHoldsUpNoOther(t *testing.T) {
	data := func(b *Block) string { return filepath.Join(b.Dir, block.DataName) }
	for name, hurt := range map[string]func(t *testing.T, disk *unread, b *Block){
		"is damaged": func(t *testing.T, disk *unread, b *Block) {
			f, err := disk.OpenFile(data(b), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := f.WritevAt([][]byte{make([]byte, 200)}, 10); err != nil {
				t.Fatal(err)
			}
		},
		"is gone": func(t *testing.T, disk *unread, b *Block) {
			if err := disk.Remove(data(b)); err != nil {
				t.Fatal(err)
			}
		},
		"is not given": func(_ *testing.T, disk *unread, b *Block) {
			disk.mu.Lock()
			defer disk.mu.Unlock()
			disk.name, disk.at = data(b), []int64{100}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, disk := newOracle(1), &unread{FS: crashfs.New()}
				s := start(t, "/", disk)
				defer s.stop()
				for second := range 100 {
					if err := o.append(s.spool, "a"); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
					if second == 30 {
						synctest.Wait()
						hurt(t, disk, s.tenants["a"].blocks[1])
					}
				}
				if err := s.Drain(background); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				if st := s.Status(); st.ToMerge != 1 || st.Merges == 0 || st.Unreadable != 1 || st.LastError == "" {
					t.Errorf("beside one block that %s the status is %+v", name, st)
				}
				if name != "is not given" {
					return
				}
				disk.heal()
				time.Sleep(2 * asideFor)
				synctest.Wait()
				o.check(t, s.Store, "a")
				if st := s.Status(); st.ToMerge != 0 || st.Unreadable != 0 {
					t.Errorf("once the block can be read the status is %+v", st)
				}
			})
		})
	}
}

// TestBlockWithoutItsMeta has a block of ours that lost a file while nothing ran: it
// is named at the start. A directory that somebody else has not finished is not.
func TestBlockWithoutItsMeta(t *testing.T) {
	for _, name := range []string{block.MetaName, LineageName} {
		synctest.Test(t, func(t *testing.T) {
			o, disk := newOracle(1), crashfs.New()
			s := start(t, "/", disk)
			if err := o.append(s.spool, "a"); err != nil {
				t.Fatal(err)
			}
			if err := s.Drain(background); err != nil {
				t.Fatal(err)
			}
			s.stop()
			if err := disk.Remove(filepath.Join(s.tenants["a"].blocks[0].Dir, name)); err != nil {
				t.Fatal(err)
			}
			if err := durable.MkdirAll(disk, "/blocks/a/97b4d8dc-3b2f-4b0c-8a0e-1f0f2d3c4b5a", dirMode); err != nil {
				t.Fatal(err)
			}
			s = start(t, "/", disk)
			defer s.stop()
			want := Status{Blocks: 1} // without a lineage it is one of somebody else's
			if name == block.MetaName {
				want = Status{Unreadable: 1}
			}
			if st := s.Status(); st.Blocks != want.Blocks || st.Unreadable != want.Unreadable {
				t.Errorf("a block lost its %s, and the status is %+v", name, st)
			}
		})
	}
}
