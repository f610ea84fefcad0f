package spool

import (
	"fmt"
	"os"
	"path"
	"slices"
	"testing"

	"appliance/internal/durable/crashfs"
)

// tornImage is a sealed segment of six records, of which record 2 was torn: 2 to
// 5 were one group, of which a killed writer had all but that one on the disk.
// Footers of before they told what follows a torn range are old.
func tornImage(t *testing.T, old bool) (image, *crashfs.FS) {
	t.Helper()
	img := takeImage(t, 6, false)
	for n := 2; n < 6; n++ {
		off := img.at[n].Offset
		h, ok := parseHeader(img.bytes[off:], img.salt, off)
		if !ok {
			t.Fatalf("record %d has no header", n)
		}
		h.group = uint32(img.at[2].Offset)
		copy(img.bytes[off:], h.appendTo(nil, img.salt, off))
	}
	img.bytes[img.at[2].Offset] ^= 0xff
	fsys := put(t, img.identity, img.bytes)
	s, err := Open("/spool", Options{FS: fsys, SegmentBytes: 8 << 10})
	must(t, err)
	if got := readTiny(t, s); !slices.Equal(got, []int{0, 1, 3, 4, 5}) {
		t.Fatalf("read %v", got)
	}
	must(t, s.Close())
	name := path.Join("/spool", img.fileName())
	if old {
		inv, err := takeInventory(fsys, "/spool")
		must(t, err)
		g := inv.segments[0]
		if len(g.torn) != 1 || g.torn[0].Index != 3 || g.torn[0].Before != 6 {
			t.Fatalf("torn: %+v", g.torn)
		}
		g.torn[0].Index, g.torn[0].Before = 0, 0
		f, err := fsys.OpenFile(name, os.O_RDWR, 0)
		must(t, err)
		_, err = seal(f, g, segmentHeader)
		must(t, err)
	}
	img.bytes = file(t, fsys, name)
	return img, fsys
}

// Damage right behind a torn range costs the records that it is in, and no
// whole one behind it.
func TestDamageBehindATornRange(t *testing.T) {
	for _, old := range []bool{false, true} {
		img, _ := tornImage(t, old)
		for _, hit := range [][]int{{3}, {4}, {5}, {3, 4}, {4, 5}, {3, 4, 5}, {0, 1}} {
			where := fmt.Sprintf("old footer %t, records %v", old, hit)
			b := slices.Clone(img.bytes)
			want, lost := []int{0, 1, 3, 4, 5}, Counts{}
			for _, n := range hit {
				b[img.at[n].Offset] ^= 0xff
				want = slices.DeleteFunc(want, func(m int) bool { return m == n })
				lost = lost.plus(Counts{1, int64(n + 1)})
			}
			fsys := put(t, img.identity, b)
			s, err := Open("/spool", Options{FS: fsys, SegmentBytes: 8 << 10, CheckpointEvery: -1})
			must(t, err)
			if got := readTiny(t, s); !slices.Equal(got, want) {
				t.Errorf("%s: read %v, want %v", where, got, want)
			}
			// What is damaged before a torn range is told from it in the end.
			known := !old && hit[0] > 2
			if st := s.Status(); st.Released.Records != 0 || known && st.Lost.Counts != lost {
				t.Errorf("%s: lost %+v, released %+v", where, st.Lost.Counts, st.Released.Counts)
			}
			for i, err := range s.Pending(Position{}) {
				must(t, err)
				must(t, s.Release(i.Position))
			}
			must(t, s.Close())
			st, err := Inspect(fsys, "/spool")
			must(t, err)
			if st.Lost.Counts != lost || st.Released.Records != int64(len(want)) || st.Pending.Records != 0 {
				t.Errorf("%s: in the end lost %+v, released %+v, pending %+v", where, st.Lost.Counts, st.Released.Counts, st.Pending.Counts)
			}
		}
	}
}
