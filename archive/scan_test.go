package archive

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"appliance/archive/store"
)

// brokenSource fails where a directory that is named ends, behind what was
// listed of it before.
type brokenSource struct {
	Source
	dir string
}

func (s *brokenSource) List(ctx context.Context, dir string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		var all []store.Entry
		for e, err := range s.Source.List(ctx, dir) {
			if err != nil {
				yield(e, err)
				return
			}
			all = append(all, e)
		}
		if dir == s.dir {
			all = all[:len(all)-1]
		}
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
		if dir == s.dir {
			yield(store.Entry{}, errors.New("input/output error"))
		}
	}
}

// What of a source cannot be listed keeps nothing of the rest from being
// archived, and is taken neither for gone nor for looked at.
func TestSourceFailsWhileItIsListed(t *testing.T) {
	t.Parallel()
	const other = "a-tenant"
	for name, c := range map[string]struct {
		dir      string
		archived int
	}{
		"a tenant's second half": {tenant, 3}, "another tenant": {other, 3}, "the tenants": {".", 1}, "a block": {tenant + "/" + blockB, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, levelZeroDir(t))
			// Another tenant with one block of its own, which is listed first.
			dir := filepath.Join(b.src, other, levelOne)
			must(t, os.CopyFS(dir, os.DirFS(filepath.Join(b.src, tenant, blockC))))
			replaceIn(t, filepath.Join(dir, MetaName), blockC, levelOne)
			replaceIn(t, filepath.Join(dir, MetaName), tenant, other)
			a := b.archiver(func(o *Options) { o.Source = &brokenSource{o.Source, c.dir} })
			out, err := a.RunOnce(t.Context(), nil)
			if err != nil || out.Unlisted == nil || out.Archived != c.archived || out.Failed != 0 {
				t.Errorf("%+v, %v", out, err)
			}
			if s := a.Status(); !s.LastScan.IsZero() || !s.LastSuccess.IsZero() || s.HeadroomSeconds != nil || len(s.Gaps) != 0 || s.Failures[CauseSource] != 1 {
				t.Errorf("%+v", s)
			}
			a.opt.Source = taggedSource{b.source()} // it is well again
			a.copy.src = a.opt.Source
			if out := b.runOnce(a); out.Unlisted != nil || out.Archived != 4-c.archived || a.Status().LastSuccess.IsZero() || len(a.Status().Gaps) != 0 {
				t.Errorf("well again: %+v", out)
			}
		})
	}
}

// A source of which nothing at all can be listed is an error of its own.
func TestSourceCannotBeListed(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	a := b.archiver(func(o *Options) { o.Source = &failingSource{o.Source, func() bool { return true }} })
	if out, err := a.RunOnce(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "input/output") || out.Archived != 0 {
		t.Errorf("%+v, %v", out, err)
	}
}

// The store that fails ends the pass at once.
func TestStoreFailsWhileTheSourceIsListed(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	a := b.archiver(func(o *Options) {
		o.Store = &faultyStore{o.Store, func(op, name string) error {
			if op == "open" && strings.HasSuffix(name, ManifestName) {
				return store.ErrDenied
			}
			return nil
		}}
	})
	if out, err := a.RunOnce(t.Context(), nil); !errors.Is(err, store.ErrDenied) || out.Unlisted != nil || out.Archived != 0 {
		t.Errorf("%+v, %v", out, err)
	}
}
