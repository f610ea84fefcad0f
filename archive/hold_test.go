package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"appliance/archive/store"
)

// lines are what was logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *lines) count(message string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, message) {
			n++
		}
	}
	return n
}

const storeChanged = "nothing is purged, since the store is not that of the last run"

// A store that is not that of the last run holds up all purging, over restarts,
// until it is that one again or is confirmed. Archiving goes on.
func TestStoreChanged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(t *testing.T, p *appliance, file string)
		back   func(t *testing.T, p *appliance, file string) // nil: it is confirmed
	}{
		"a disk that is not mounted": {
			func(t *testing.T, p *appliance, _ string) {
				must(t, os.Rename(p.dst, p.dst+".disk"))
				p.reopen()
			},
			func(t *testing.T, p *appliance, _ string) {
				must(t, errors.Join(os.RemoveAll(p.dst), os.Rename(p.dst+".disk", p.dst)))
				p.reopen()
			},
		},
		"a bucket that was emptied": {change: func(t *testing.T, p *appliance, _ string) {
			entries, err := os.ReadDir(p.dst)
			must(t, err)
			for _, e := range entries {
				must(t, os.RemoveAll(filepath.Join(p.dst, e.Name())))
			}
		}},
		"another prefix": {change: func(t *testing.T, p *appliance, _ string) {
			p.dst += "-other"
			p.reopen()
			_, err := makeStoreID(t.Context(), p.store)
			must(t, err)
		}},
		"an identity that is damaged": {change: func(t *testing.T, p *appliance, _ string) {
			must(t, p.store.Replace(t.Context(), identityName, []byte("{}")))
		}},
		"a memory that is damaged": {change: func(t *testing.T, _ *appliance, file string) {
			must(t, os.WriteFile(file, []byte("{"), 0o600))
		}},
		"a memory that cannot be read": {
			func(t *testing.T, _ *appliance, file string) {
				must(t, errors.Join(os.Rename(file, file+".old"), os.Mkdir(file, 0o700)))
			},
			func(t *testing.T, _ *appliance, file string) {
				must(t, errors.Join(os.Remove(file), os.Rename(file+".old", file)))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			embedded(t, func(t *testing.T, p *appliance) {
				file := filepath.Join(t.TempDir(), "archive-store.json")
				log := &lines{}
				start := func() {
					p.start(func(o *Options) { o.StoreFile, o.Logger = file, log.logger() })
				}
				start()
				if s := p.after(30 * time.Minute); len(s.Holds) != 0 || s.ArchivedBlocks != 3 {
					t.Fatalf("%+v", s)
				}
				p.stop()
				c.change(t, p, file)
				for range 2 {
					start()
					s := p.after(6 * time.Hour)
					if s.PendingBlocks != 0 || s.Purge.PurgedBlocks != 0 || !strings.Contains(s.Purge.Doubt, "appliance archive confirm-store") || s.Holds[HoldStore] == "" {
						t.Fatalf("%+v, %+v", s, s.Purge)
					}
					p.stop()
				}
				if n := log.count(storeChanged); n != 2 {
					t.Errorf("%d lines say it, of two processes", n)
				}
				if c.back != nil {
					c.back(t, p, file)
				}
				start()
				if c.back == nil { // while it runs
					p.after(time.Minute)
					_, err := KnownStore{Store: p.store, File: file}.Confirm(t.Context())
					must(t, err)
				}
				if s := p.after(6 * time.Hour); s.Purge.PurgedBlocks != 3 || len(s.Holds) != 0 {
					t.Errorf("%+v, %+v", s, s.Purge)
				}
			})
		})
	}
}

// reopen opens the store again, as the next process does.
func (p *appliance) reopen() {
	p.t.Helper()
	s, err := store.Open(p.t.Context(), "file://"+p.dst, store.Options{Create: true})
	must(p.t, err)
	p.t.Cleanup(func() { must(p.t, s.Close()) })
	p.store = s
}

// A data directory that can remember nothing is one that knows of no store.
func TestStoreCannotBeRemembered(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	known := KnownStore{Store: b.store, File: filepath.Join(t.TempDir(), "none", "archive-store.json")}
	var changed *StoreChangedError
	if err := known.Check(t.Context()); !errors.As(err, &changed) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// Two appliances over one store agree on what it is.
func TestTwoAppliancesOverOneStore(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	ids := make([]string, 20)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			id, err := makeStoreID(t.Context(), b.store)
			if err != nil {
				t.Error(err)
			}
			ids[i] = id
		})
	}
	all.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Fatalf("%v", ids)
		}
	}
}

// Without room, by the bound or by whoever is asked, nothing more is archived
// until there is some. What is archived is purged as its time comes.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	var reserve atomic.Bool
	for name, c := range map[string]struct {
		bound  int64 // archive.max_bytes
		room   func(bytes int64) error
		why    string
		blocks int64 // that fit
	}{
		"bound for none": {1, nil, "archive.max_bytes", 0},
		"bound for two":  {2*152_353 + 50_000, nil, "archive.max_bytes", 2},
		"a reserve": {0, func(bytes int64) error {
			if bytes < 100_000 {
				return fmt.Errorf("asked for %d bytes", bytes)
			}
			if !reserve.Load() {
				return errors.New("the spool needs what is left of the disk")
			}
			return nil
		}, "the spool needs", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			embedded(t, func(t *testing.T, p *appliance) {
				log := &lines{}
				start := func(bound int64) {
					p.start(func(o *Options) { o.MaxBytes, o.Room, o.Logger = bound, c.room, log.logger() })
				}
				start(c.bound)
				s := p.after(6 * time.Hour)
				if s.ArchivedBlocks != c.blocks || s.Purge.PurgedBlocks != c.blocks || !strings.Contains(s.Holds[HoldRoom], c.why) ||
					s.Purge.Doubt != "" || !s.LastSuccess.IsZero() || s.MaxBytes != c.bound {
					t.Fatalf("%+v, %+v", s, s.Purge)
				}
				if c.bound > 0 && s.StoreBytes > c.bound {
					t.Errorf("%d bytes of %d", s.StoreBytes, c.bound)
				}
				if n := log.count("for want of room"); n != 1 {
					t.Errorf("%d lines say it", n)
				}
				if c.bound > 0 { // a person raises it
					p.stop()
					start(10 * c.bound * 500_000)
				} else {
					reserve.Store(true)
				}
				if s = p.after(6 * time.Hour); s.Purge.PurgedBlocks != 3-c.blocks || len(s.Holds) != 0 || s.StoreBytes < 3*152_000 {
					t.Errorf("%+v, %+v", s, s.Purge)
				}
			})
		})
	}
}

// What others prune makes room while we run.
func TestPruningMakesRoom(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		p.start(func(o *Options) { o.MaxBytes = 2*152_353 + 50_000 })
		if s := p.after(time.Hour); s.ArchivedBlocks != 2 {
			t.Fatalf("%+v", s)
		}
		for _, l := range p.list(Filter{}) {
			must(t, pruneBlock(t.Context(), p.store, ref{l.Tenant, l.ID}))
			must(t, os.RemoveAll(filepath.Join(p.src, l.Tenant, l.ID)))
			break
		}
		if s := p.after(2 * recountEvery); s.ArchivedBlocks != 3 || len(s.Holds) != 0 {
			t.Errorf("%+v", s)
		}
	})
}
