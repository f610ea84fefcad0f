package archive

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"appliance/archive/store"
	"appliance/internal/durable"
)

// elsewhere runs an archiver of a Tempo elsewhere under a fake clock.
func elsewhere(t *testing.T, src string, run func(t *testing.T, p *appliance)) {
	t.Helper()
	p := &appliance{bench: newBench(t, src)}
	synctest.Test(t, func(t *testing.T) {
		outer := p.t
		p.t = t
		defer func() { p.t = outer }()
		defer func() { p.stop() }()
		run(t, p)
	})
}

func (p *appliance) startElsewhere(change func(*Options)) {
	p.start(func(o *Options) {
		o.Embedded = nil
		if change != nil {
			change(o)
		}
	})
}

func TestSourceIsNeverChanged(t *testing.T) {
	t.Parallel()
	src := compactedDir(t)
	before := tree(t, src, nil)
	elsewhere(t, src, func(t *testing.T, p *appliance) {
		p.startElsewhere(nil)
		if s := p.after(2 * time.Hour); s.Mode != "elsewhere" || s.Purge != nil || s.PendingBlocks != 0 {
			t.Errorf("%+v", s)
		}
	})
	after := tree(t, src, nil)
	unchanged(t, before, after)
	if len(after) != len(before) {
		t.Errorf("%d files became %d", len(before), len(after))
	}
}

// Headroom falls from the moment on when a block that cannot be archived is marked.
func TestHeadroom(t *testing.T) {
	t.Parallel()
	src := levelZeroDir(t)
	dir := filepath.Join(src, tenant, blockA)
	elsewhere(t, src, func(t *testing.T, p *appliance) {
		flip(t, filepath.Join(dir, dataName), 0)
		p.startElsewhere(nil)
		s := p.after(10 * time.Minute)
		if h := *s.HeadroomSeconds; h < 58*60 || h > 3600 || s.PendingBlocks != 1 {
			t.Errorf("live: %v, %+v", h, s)
		}
		must(t, os.Rename(filepath.Join(dir, MetaName), filepath.Join(dir, compactedMetaName)))
		s = p.after(30 * time.Minute)
		if h := *s.HeadroomSeconds; h < 28*60 || h > 31*60 || s.LagSeconds < 39*60 {
			t.Errorf("marked: %v, %+v", h, s)
		}
		if s = p.after(time.Hour); *s.HeadroomSeconds != 0 {
			t.Errorf("over: %v", *s.HeadroomSeconds)
		}
		// Tempo deletes it: a gap, also for the next process.
		must(t, os.RemoveAll(dir))
		s = p.after(2 * time.Minute)
		check := func(s Status) {
			t.Helper()
			if len(s.Gaps) != 1 || s.Gaps[0].Block != blockA || s.Gaps[0].To.Sub(s.Gaps[0].From) < 90*time.Minute || s.PendingBlocks != 0 || *s.HeadroomSeconds < 50*60 {
				t.Errorf("%+v", s)
			}
		}
		check(s)
		if s.Failures[CauseGone] != 1 {
			t.Errorf("%v", s.Failures)
		}
		p.stop()
		p.startElsewhere(nil)
		check(p.after(time.Minute))
	})
}

// A time without a look that is longer than Tempo keeps what it marked is a
// gap; a shorter one is none.
func TestScanGap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		compacted, pause time.Duration
		gaps             int
	}{
		{time.Hour, 50 * time.Minute, 0},
		{time.Hour, 2 * time.Hour, 1},
		{time.Minute, 20 * time.Second, 0},
		{time.Minute, 2 * time.Minute, 1},
	} {
		elsewhere(t, levelZeroDir(t), func(t *testing.T, p *appliance) {
			often := func(o *Options) { o.CompactedRetention, o.Interval = c.compacted, 10*time.Second }
			p.startElsewhere(often)
			p.after(9 * time.Minute)
			p.stop()
			p.after(c.pause)
			p.startElsewhere(often)
			s := p.after(time.Minute)
			if len(s.Gaps) != c.gaps || c.gaps == 1 && (s.Gaps[0].Block != "" || s.Gaps[0].To.Sub(s.Gaps[0].From) < c.pause) {
				t.Errorf("after %s, kept for %s: %+v", c.pause, c.compacted, s.Gaps)
			}
		})
	}
}

// failingSource cannot be listed while broken says so.
type failingSource struct {
	Source
	broken func() bool
}

func (s *failingSource) List(ctx context.Context, dir string) iter.Seq2[store.Entry, error] {
	if s.broken() && dir == tenant {
		return func(yield func(store.Entry, error) bool) { yield(store.Entry{}, errors.New("input/output error")) }
	}
	return s.Source.List(ctx, dir)
}

// A source that cannot be listed is no reason to think that its blocks are
// gone, nor that they were looked at.
func TestSourceFails(t *testing.T) {
	t.Parallel()
	src := levelZeroDir(t)
	elsewhere(t, src, func(t *testing.T, p *appliance) {
		flip(t, filepath.Join(src, tenant, blockA, dataName), 0)
		var broken atomic.Bool
		p.startElsewhere(func(o *Options) { o.Source = &failingSource{o.Source, broken.Load} })
		p.after(time.Minute)
		broken.Store(true)
		s := p.after(30 * time.Minute)
		if s.PendingBlocks != 1 || len(s.Gaps) != 0 || s.Failures[CauseSource] < 10 || *s.HeadroomSeconds > 31*60 {
			t.Errorf("%+v, %v", s, *s.HeadroomSeconds)
		}
		s = p.after(time.Hour)
		broken.Store(false)
		if s = p.after(2 * time.Minute); len(s.Gaps) != 1 || s.PendingBlocks != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestUnsafeSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config    string
		settings  []string
		compacted time.Duration
	}{
		"defaults":   {"compactor:\n  compaction:\n    block_retention: 336h0m0s\n    compacted_block_retention: 1h0m0s\n", nil, time.Hour},
		"nothing":    {"server: {}\n", nil, time.Hour},
		"zero":       {"compactor:\n  compaction:\n    block_retention: 0s\n", []string{retentionKey}, time.Hour},
		"short":      {"compactor:\n  compaction:\n    block_retention: 1m0s\n    compacted_block_retention: 10s\n", []string{retentionKey, compactedKey}, 10 * time.Second},
		"disabled":   {"compactor:\n  disabled: true\n  compaction:\n    block_retention: 0s\n", nil, time.Hour},
		"the rest":   {"target: all\ncompactor:\n  ring:\n    kvstore: {store: \"\"}\n  compaction:\n    v2_in_buffer_bytes: 5242880\n    compacted_block_retention: 10m0s\n", nil, 10 * time.Minute},
		"as printed": {"GET /status/config\n---\ntarget: all\ncompactor:\n  compaction:\n    block_retention: 0s\n", []string{retentionKey}, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			tempo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/status/config" {
					t.Errorf("asked for %s", r.URL)
				}
				_, _ = w.Write([]byte(c.config))
			}))
			defer tempo.Close()
			warnings, compacted, err := CheckTempo(t.Context(), tempo.URL+"/", 30*time.Second)
			if err != nil || compacted != c.compacted || len(warnings) != len(c.settings) {
				t.Fatalf("%+v, %s, %v", warnings, compacted, err)
			}
			for i, w := range warnings {
				if w.Setting != c.settings[i] || w.Problem == "" || !strings.HasPrefix(w.Change, w.Setting[strings.LastIndex(w.Setting, ".")+1:]+": ") {
					t.Errorf("%+v", w)
				}
			}
		})
	}
}

// What answers in Tempo's place is said as it is.
func TestSettingsOfSomethingElse(t *testing.T) {
	for name, c := range map[string]struct {
		code       int
		body, want string
	}{
		"a proxy that says no": {403, "<html>", "it answers 403 Forbidden; check tempo.query_url"},
		"not there":            {404, "", "it answers 404 Not Found; check tempo.query_url"},
		"a page":               {200, "<html>\n\t: {", "parse Tempo's configuration"},
		"not a duration":       {200, "compactor: {compaction: {block_retention: for ever}}", "parse Tempo's configuration"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.code)
			_, _ = io.WriteString(w, c.body)
		}))
		_, _, err := CheckTempo(t.Context(), server.URL, time.Second)
		server.Close()
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "%!") {
			t.Errorf("%s: %v, want: %s", name, err, c.want)
		}
	}
}

func TestWarningsAreShown(t *testing.T) {
	t.Parallel()
	config := "compactor:\n  compaction:\n    block_retention: 0s\n    compacted_block_retention: 20m0s\n"
	tempo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(config)) }))
	defer tempo.Close()
	b := newBench(t, levelZeroDir(t))
	a := b.archiver(func(o *Options) { o.TempoURL = tempo.URL })
	b.runOnce(a)
	s := a.Status()
	if len(s.Warnings) != 1 || s.Warnings[0].Change != "block_retention: 24h" || *s.HeadroomSeconds > 20*60 {
		t.Errorf("%+v", s)
	}
	// A Tempo that does not answer changes nothing.
	a = b.archiver(func(o *Options) { o.TempoURL = "http://127.0.0.1:1" })
	b.runOnce(a)
	if s := a.Status(); len(s.Warnings) != 0 || len(s.Failures) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestOptionsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	self := *b
	self.src = b.dst
	for name, o := range map[string]Options{
		"nothing":               {},
		"no source":             {Store: b.store},
		"itself":                {Store: b.store, Source: self.source()},
		"a purge without terms": {Store: b.store, Source: b.source(), Embedded: &Embedded{Delete: deleter(durable.OS, b.src)}},
		"nobody who deletes":    {Store: b.store, Source: b.source(), Embedded: &Embedded{Retention: time.Hour}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("an archiver with %s was made", name)
		}
	}
	for _, url := range []string{"file://host/path", "gs://bucket", "file://", filepath.Join(b.src, "missing")} {
		if _, err := OpenSource(t.Context(), url, nil); err == nil {
			t.Errorf("%s was opened", url)
		}
	}
	odd := filepath.Join(t.TempDir(), "100% #1?")
	must(t, os.Mkdir(odd, 0o755))
	if s, err := OpenSource(t.Context(), odd, nil); err != nil {
		t.Errorf("a path is no URL: %v", err)
	} else {
		must(t, s.Close())
	}
}
