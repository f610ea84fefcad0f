package archive

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"appliance/archive/store"
)

// aliased is a bench whose store leads to its source, or the other way round,
// in a way that the URLs do not show.
func aliased(t *testing.T, at func(t *testing.T, src string) string) *bench {
	t.Helper()
	b := &bench{t: t, src: levelZeroDir(t)}
	b.dst = at(t, b.src)
	s, err := store.Open(t.Context(), "file://"+b.dst, store.Options{Create: true})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	b.store = s
	return b
}

func link(t *testing.T, src string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "archive")
	must(t, os.Symlink(src, at))
	return at
}

// mount makes a second way to a directory that no path and no link shows. It
// needs root.
func mount(t *testing.T, dir, at string) {
	t.Helper()
	must(t, os.MkdirAll(at, 0o755))
	if err := syscall.Mount(dir, at, "", syscall.MS_BIND, ""); err != nil {
		t.Fatalf("mount %s at %s (needs root): %v", dir, at, err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(at, syscall.MNT_DETACH)) })
}

func bound(t *testing.T, src string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "archive")
	mount(t, src, at)
	return at
}

// An archive that is its own source purges nothing, archives nothing and says
// so, in one line.
func TestArchiveIsItsSource(t *testing.T) {
	for name, at := range map[string]func(*testing.T, string) string{"a link": link, "a mount": bound} {
		t.Run(name, func(t *testing.T) {
			b := aliased(t, at)
			before := tree(t, b.src, nil)
			log := &lines{}
			synctest.Test(t, func(t *testing.T) {
				p := &appliance{bench: &bench{t: t, src: b.src, dst: b.dst, store: b.store}}
				p.start(func(o *Options) { o.Logger = log.logger() })
				s := p.after(6 * time.Hour)
				p.stop()
				if s.Purge.PurgedBlocks+s.ArchivedBlocks != 0 || s.Holds[HoldSame] == "" || !strings.Contains(s.Purge.Doubt, "set archive.store to") {
					t.Errorf("%+v, %+v", s, s.Purge)
				}
			})
			unchanged(t, before, tree(t, b.src, nil))
			if after := tree(t, b.src, nil); len(after) != len(before) {
				t.Errorf("%d files became %d", len(before), len(after))
			}
			if n := log.count("its own source"); n != 1 {
				t.Errorf("%d lines say it", n)
			}
		})
	}
}

// What is written to one of two places that overlap in any way is refused.
func TestCheckApart(t *testing.T) {
	for name, c := range map[string]struct {
		at   func(t *testing.T, src string) string
		same bool
	}{
		"apart":             {func(t *testing.T, src string) string { return src + "-archive" }, false},
		"inside the source": {func(t *testing.T, src string) string { return filepath.Join(src, "archive") }, true},
		"around the source": {func(t *testing.T, src string) string { return filepath.Dir(src) }, true},
		"a link":            {link, true},
		"a mount":           {bound, true},
		"a link inside": {func(t *testing.T, src string) string {
			must(t, os.Mkdir(filepath.Join(src, "archive"), 0o755))
			return link(t, filepath.Join(src, "archive"))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := aliased(t, c.at)
			err := checkApart(t.Context(), b.store, b.source(), "test")
			if c.same != errors.Is(err, ErrSame) || !c.same && err != nil {
				t.Errorf("%v", err)
			}
		})
	}
}

// viaGateway is a place that neither paths nor inodes tell from another, as one
// is that is asked through a server.
type viaGateway struct {
	Source
	url string
}

func (s viaGateway) URL() string { return s.url }

// The nonce alone finds an alias, at the start and when one comes to be while
// we run.
func TestNonceShowsTheSameBucket(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	same, err := OpenSource(t.Context(), b.dst, nil)
	must(t, err)
	defer same.Close()
	inside, err := OpenSource(t.Context(), filepath.Dir(b.dst), nil)
	must(t, err)
	defer inside.Close()
	for name, c := range map[string]struct {
		src  Source
		url  string
		same bool
	}{
		"another name":                    {same, "s3://bucket?endpoint=other:9000", true},
		"another place":                   {b.source(), "s3://bucket?endpoint=other:9000", false},
		"a prefix around, of one bucket":  {inside, "s3://bucket?endpoint=other:9000", true},
		"a prefix around, of two buckets": {b.source(), "s3://bucket?endpoint=other:9000", false},
	} {
		s := store.Store(renamedStore{b.store, "s3://bucket?endpoint=one:9000"})
		if strings.Contains(name, "around") {
			s = renamedStore{b.store, "s3://bucket/archive?endpoint=one:9000"}
		}
		if err := checkApart(t.Context(), s, viaGateway{c.src, c.url}, "test"); c.same != errors.Is(err, ErrSame) || !c.same && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, os.MkdirAll(filepath.Join(b.dst, "traces"), 0o755))
	within, err := OpenSource(t.Context(), filepath.Join(b.dst, "traces"), nil)
	must(t, err)
	defer within.Close()
	if err := checkApart(t.Context(), renamedStore{b.store, "s3://bucket"}, viaGateway{within, "s3://bucket/traces?endpoint=other:9000"}, "test"); !errors.Is(err, ErrSame) {
		t.Errorf("a prefix inside: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(b.dst, "traces", "*")); err != nil || len(left) > 0 {
		t.Errorf("a probe is left in the source: %v, %v", left, err)
	}
}

type renamedStore struct {
	store.Store
	url string
}

func (s renamedStore) URL() string { return s.url }

// While others write the same probe nothing is concluded, and what cannot be
// written or read is no proof.
func TestProbeIsDisturbed(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	name := probeName("test")
	disturbed := 0
	s := &faultyStore{b.store, func(op, at string) error {
		if op == "open" && at == name && disturbed > 0 {
			disturbed--
			return b.store.Replace(t.Context(), name, []byte("another's"))
		}
		return nil
	}}
	disturbed = 2
	if err := checkApart(t.Context(), s, b.source(), "test"); err != nil || disturbed != 0 {
		t.Errorf("disturbed twice: %v", err)
	}
	disturbed = 100
	if err := checkApart(t.Context(), s, b.source(), "test"); err == nil || errors.Is(err, ErrSame) {
		t.Errorf("disturbed always: %v", err)
	}
	full := &faultyStore{b.store, func(op, _ string) error {
		if op == "replace" {
			return store.ErrFull
		}
		return nil
	}}
	if err := checkApart(t.Context(), full, b.source(), "test"); !errors.Is(err, store.ErrFull) {
		t.Errorf("full: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := checkApart(ctx, b.store, b.source(), "test"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// One tenant's directory alone that is mounted into the archive, while the
// appliance runs, is found before its blocks go.
func TestOneTenantIsMountedIntoTheArchive(t *testing.T) {
	b := newBench(t, levelZeroDir(t))
	synctest.Test(t, func(t *testing.T) {
		p := &appliance{bench: &bench{t: t, src: b.src, dst: b.dst, store: b.store}}
		p.start(nil)
		if s := p.after(30 * time.Minute); s.ArchivedBlocks != 3 || s.Purge.PurgedBlocks != 0 {
			t.Fatalf("%+v", s)
		}
		for _, id := range levelZero { // what was archived, and is hidden by the mount
			must(t, os.CopyFS(filepath.Join(b.src, "copy", id), os.DirFS(filepath.Join(b.dst, tenant, id))))
			must(t, os.Rename(filepath.Join(b.src, "copy", id, ManifestName), filepath.Join(b.src, tenant, id, ManifestName)))
		}
		must(t, os.RemoveAll(filepath.Join(b.src, "copy")))
		before := tree(t, b.src, nil)
		mount(b.t.(*testing.T), filepath.Join(b.src, tenant), filepath.Join(b.dst, tenant))
		s := p.after(6 * time.Hour)
		p.stop()
		if s.Purge.PurgedBlocks != 0 || !strings.Contains(s.Purge.Doubt, "are one file") {
			t.Errorf("%+v, %+v", s, s.Purge)
		}
		unchanged(t, before, tree(t, b.src, nil))
	})
}
