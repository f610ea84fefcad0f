package archive

import (
	"errors"
	"testing"
	"time"
)

// Two archivers of a source know each other's gaps as soon as they write theirs.
func TestGapsOfAnotherArchiverStay(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	one, other := b.archiver(nil), b.archiver(nil)
	b.runOnce(one)
	must(t, other.recall(t.Context()))
	other.memory.addGap(Gap{From: theTime, To: theTime, Reason: "seen by the other"})
	other.remember(t.Context(), true)
	one.memory.addGap(Gap{From: theTime, To: theTime.Add(-time.Hour), Reason: "seen by this one"})
	for range 2 { // the second time there is nothing to join
		b.runOnce(one)
		m, err := recall(t.Context(), b.store, OriginOf(b.source()))
		must(t, err)
		if len(m.Gaps) != 2 || m.Gaps[1].Reason != "seen by the other" || len(one.Status().Gaps) != 2 {
			t.Fatalf("%+v, and the status has %+v", m.Gaps, one.Status().Gaps)
		}
	}
}

// While the gaps of others cannot be read, they are not written over.
func TestGapsThatCannotBeReadStay(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	b.runOnce(b.archiver(nil))
	ill := false
	a := b.archiver(func(o *Options) {
		o.Store = &faultyStore{o.Store, func(op, name string) error {
			if ill && op == "open" && name == memoryName(o.Origin) {
				return errors.New("no answer")
			}
			return nil
		}}
		o.Origin = OriginOf(o.Source)
	})
	must(t, a.recall(t.Context()))
	theirs := memory{Origin: a.opt.Origin, Gaps: []Gap{{From: theTime, To: theTime, Reason: "seen by another"}}}
	must(t, theirs.save(t.Context(), b.store))
	ill = true
	a.remember(t.Context(), true)
	if m, err := recall(t.Context(), b.store, a.opt.Origin); err != nil || len(m.Gaps) != 1 || a.Status().Failures[CauseStore] != 1 {
		t.Errorf("%+v, %v, %v", m.Gaps, err, a.Status().Failures)
	}
}

// What cannot be parsed is as if nothing were remembered, whatever is wrong with it.
func TestADamagedMemoryStopsNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", `{"gaps": 7}`, "null"} {
		b := newBench(t, levelZeroDir(t))
		a := b.archiver(nil)
		must(t, b.store.Replace(t.Context(), memoryName(a.opt.Origin), []byte(text)))
		if out := b.runOnce(a); out.Archived != 3 {
			t.Errorf("%q: %+v", text, out)
		}
	}
}
