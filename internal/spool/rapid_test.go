package spool

import (
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"appliance/internal/durable/crashfs"
)

// Random lives: groups of concurrent appends, releases in any order, failing
// calls, full disks, and crashes in the middle of all of them.
func TestRandomLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := Options{
			SegmentBytes:    rapid.SampledFrom([]int64{4 << 10, 8 << 10, 32 << 10}).Draw(t, "segment"),
			maxGroupBytes:   rapid.SampledFrom([]int64{1, 2000, 4 << 20}).Draw(t, "group"),
			CheckpointEvery: rapid.SampledFrom([]time.Duration{-1, time.Hour}).Draw(t, "checkpoint"),
			quarantineBytes: 64 << 10,
			NoSpare:         rapid.Bool().Draw(t, "no spare"),
		}
		m, err := newModel(opts)
		if err != nil {
			t.Fatal(err)
		}
		fail := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		rng := func() *rand.Rand { return rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)) }
		someOf := func() func(int) bool {
			r, odds := rng(), rapid.Float64Range(0, 1).Draw(t, "odds")
			return func(int) bool { return r.Float64() < odds }
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				fail(m.append(rapid.IntRange(1, 12).Draw(t, "count")))
			},
			"release": func(t *rapid.T) {
				fail(m.release(someOf()))
			},
			"check": func(*rapid.T) {
				fail(m.check(false))
			},
			"append with a fault": func(t *rapid.T) {
				kind := rapid.SampledFrom([]crashfs.Kind{crashfs.Sync, crashfs.Write, crashfs.SyncDir, crashfs.Create,
					crashfs.Allocate, crashfs.Truncate, crashfs.Rename, crashfs.Remove}).Draw(t, "kind")
				after := rapid.IntRange(0, 3).Draw(t, "after")
				times := rapid.IntRange(1, 3).Draw(t, "times")
				m.fsys.Fail(func(op crashfs.Op) error {
					if op.Kind != kind {
						return nil
					}
					if after--; after >= 0 || times <= 0 {
						return nil
					}
					times--
					return syscall.EIO
				})
				for range 3 {
					_ = m.append(rapid.IntRange(1, 4).Draw(t, "count"))
				}
				_ = m.release(someOf())
				m.fsys.Fail(nil)
				fail(m.recovered())
			},
			"append on a full disk": func(t *rapid.T) {
				m.fsys.Capacity(rapid.Int64Range(1, 20_000).Draw(t, "capacity"))
				for range 4 {
					if err := m.append(2); err != nil && !errors.Is(err, syscall.ENOSPC) {
						t.Fatal(err)
					}
				}
				_ = m.release(someOf())
				m.fsys.Capacity(0)
				fail(m.recovered())
			},
			"close and open": func(*rapid.T) {
				fail(m.spool.Close())
				fail(m.open())
				fail(m.check(true)) // what was released out of order comes again
			},
			"kill": func(*rapid.T) {
				fail(m.reopen(m.fsys.Kill()))
			},
			"power cut": func(t *rapid.T) {
				mode := rapid.SampledFrom([]crashfs.Mode{crashfs.LoseAll, crashfs.KeepAll, crashfs.Scramble, crashfs.Garbage}).Draw(t, "mode")
				fail(m.reopen(m.fsys.PowerCut(mode, rng())))
			},
			"die in the middle": func(t *rapid.T) {
				mode := rapid.SampledFrom([]crashfs.Mode{crashfs.LoseAll, crashfs.Scramble, crashfs.Garbage}).Draw(t, "mode")
				m.fsys.CrashAt(m.fsys.Steps() + rapid.IntRange(1, 12).Draw(t, "steps"))
				_ = m.append(rapid.IntRange(1, 6).Draw(t, "count"))
				_ = m.release(someOf())
				_ = m.append(rapid.IntRange(1, 6).Draw(t, "count"))
				if rapid.Bool().Draw(t, "only the process") {
					fail(m.reopen(m.fsys.Kill()))
				} else {
					fail(m.reopen(m.fsys.PowerCut(mode, rng())))
				}
			},
			"die in Open": func(t *rapid.T) {
				_ = m.spool.Close()
				m.fsys = m.fsys.Kill()
				m.fsys.CrashAt(rapid.IntRange(1, 6).Draw(t, "steps"))
				_ = m.open()
				fail(m.reopen(m.fsys.PowerCut(crashfs.Scramble, rng())))
			},
		})
		fail(m.spool.Close())
		fail(m.open())
		fail(m.check(true))
		fail(m.spool.Close())
	})
}
