package tail

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// healthFrame is a frame of records of one span, of which every other is left out.
func healthFrame(records int) *frame {
	f := &frame{outcomes: []verdict{{"health", keepNone}, {"errors", keepAll}}, tenants: []string{"a"}}
	for i := range records {
		o := outcome{offset: int64(64 + 310*i), spans: 1, runs: []run{{i % 2, 1}}}
		if i%2 == 0 {
			o.left = []leftOut{{0, 1}}
		}
		f.records = append(f.records, o)
	}
	return f
}

func writeSegments(t *testing.T, disk *crashfs.FS, n int, f *frame) (names []string) {
	t.Helper()
	if err := durable.MkdirAll(disk, "/tail", dirMode); err != nil {
		t.Fatal(err)
	}
	j := journal{fs: disk, dir: "/tail"}
	defer j.close()
	for i := range n {
		name := fmt.Sprintf("%016x-0", i)
		if err := j.write(name, f); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// TestOutcomesAreSmall has the outcomes of many small records in memory.
func TestOutcomesAreSmall(t *testing.T) {
	const segments, records = 16, 20_000
	disk := crashfs.New()
	names := writeSegments(t, disk, segments, healthFrame(records))
	k := newKnown(disk, "/tail", 64<<20)
	before := heap()
	for _, name := range names {
		if err := k.ask(name, func(*segment) {}); err != nil {
			t.Fatal(err)
		}
	}
	held := int64(heap()) - int64(before)
	if per := held / (segments * records); per > 20 {
		t.Errorf("%d records take %d bytes, %d each", segments*records, held, per)
	}
	runtime.KeepAlive(k)
}

// TestOutcomesOfGoneSegments are not held.
func TestOutcomesOfGoneSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, crashfs.New(), newOutside(), everyday())
		for i := range uint64(400) {
			w.send(sp{trace: i, id: i + 1, name: "GET /ping", failed: i%2 == 0, service: strings.Repeat("x", 300)})
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		there := w.sp.SegmentNames()
		w.stop()
		for name := range w.line.known.byName {
			if !slices.Contains(there, name) {
				t.Errorf("the outcomes of segment %s are held, and the segment is gone", name)
			}
		}
		if len(w.line.known.byName) == 0 {
			t.Error("no outcomes are held at all")
		}
	})
}

// TestOutcomesKeepToTheirBound while segments are asked for in turn, and each
// answers as its file says.
func TestOutcomesKeepToTheirBound(t *testing.T) {
	const most = 64 << 10 // some three of the segments below
	disk := crashfs.New()
	f := healthFrame(4000)
	names := writeSegments(t, disk, 10, f)
	k := newKnown(disk, "/tail", most)
	for i := range 60 {
		if err := k.ask(names[i/3%10], func(s *segment) {
			for i := range 4000 {
				if o := s.find(f.records[i].offset); (o != nil && o.kept() == 0) != (i%2 == 0) {
					t.Fatalf("the outcome of record %d is %+v", i, o)
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
		held := 0
		for _, s := range k.byName {
			held += s.size()
		}
		if held != k.bytes || held > most || len(k.byName) != len(k.recent) {
			t.Fatalf("%d bytes are held and %d counted, of %d segments; %d is the bound", held, k.bytes, len(k.byName), most)
		}
	}
	// One that is larger than the bound is held alone, also while it grows.
	k.most = 100
	late := healthFrame(5000)
	k.add(names[9], late)
	if err := k.ask(names[9], func(s *segment) {
		if s.last != late.records[4999].offset || s.find(late.records[4998].offset) == nil {
			t.Errorf("the last record is at %d", s.last)
		}
	}); err != nil || len(k.byName) != 1 || k.bytes != k.byName[names[9]].size() {
		t.Errorf("%d segments and %d bytes are held, %v", len(k.byName), k.bytes, err)
	}
}

// TestSegmentHoldsItsFrames compares what is found of random frames with them.
func TestSegmentHoldsItsFrames(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	var s segment
	want, left := map[int64]string{}, map[string]int64{}
	last := int64(0)
	for range 300 {
		f := randomFrame(r, last)
		for i := range f.records {
			o := &f.records[i]
			if o.offset <= last { // it was written before
				continue
			}
			last = o.offset
			want[last] = ""
			if o.whole(f.outcomes) {
				continue
			}
			want[last] = told(o, f.outcomes, f.tenants)
			for _, l := range o.left {
				left[f.tenants[o.tenant]+f.outcomes[l.outcome].rule] += l.spans
			}
		}
		s.add(f)
	}
	var outcomes []verdict
	for _, o := range s.outcomes.list {
		outcomes = append(outcomes, verdict{s.rules.list[o.rule], unpack(o.threshold)})
	}
	for offset, text := range want {
		got := ""
		if o := s.find(offset); o != nil {
			got = told(o, outcomes, s.tenants.list)
		}
		if got != text {
			t.Fatalf("record %d is %s, want %s", offset, got, text)
		}
	}
	s.each(func(tenant, rule string, spans int64) { left[tenant+rule] -= spans })
	for name, n := range left {
		if n != 0 {
			t.Errorf("of %s %d spans more are left out than is said", name, n)
		}
	}
	if len(want) < 3000 || len(left) < 10 || s.find(0) != nil || s.find(last+1) != nil {
		t.Errorf("%d records, %d sums", len(want), len(left))
	}
}

// randomFrame is a frame of records behind an offset, and of some before it.
func randomFrame(r *rand.Rand, behind int64) *frame {
	f := &frame{}
	for i := range 1 + r.IntN(5) {
		v := verdict{fmt.Sprint("rule", r.IntN(6)), []uint64{keepAll, keepAll, keepNone, 0xc0 << 48, 0x10 << 48}[r.IntN(5)]}
		f.outcomes = append(f.outcomes, v)
		f.tenants = append(f.tenants, fmt.Sprint("tenant", i*r.IntN(3)))
	}
	offset := max(behind-200_000*r.Int64N(2), 0)
	for range r.IntN(40) {
		offset += 1 + r.Int64N(100_000)
		o := outcome{offset: offset, tenant: r.IntN(len(f.tenants)), spans: 1000}
		for range r.IntN(4) {
			o.runs = append(o.runs, run{r.IntN(len(f.outcomes)), 1 + r.IntN(300)})
		}
		for i, v := range f.outcomes {
			if v.threshold != keepAll && !o.whole(f.outcomes) && r.IntN(2) == 0 {
				o.left = append(o.left, leftOut{i, 1 + r.Int64N(3)})
			}
		}
		f.records = append(f.records, o)
	}
	return f
}

// told is all that an outcome says, without numbers of names.
func told(o *outcome, outcomes []verdict, tenants []string) string {
	text := fmt.Sprint(o.offset, tenants[o.tenant], o.spans)
	for _, r := range o.runs {
		text += fmt.Sprint(" ", outcomes[r.outcome], r.spans)
	}
	for _, l := range o.left {
		text += fmt.Sprint(" -", outcomes[l.outcome], l.spans)
	}
	return text
}
