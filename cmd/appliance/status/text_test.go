package status

import (
	"strings"
	"testing"
	"time"

	"appliance/archive"
	"appliance/forwarder"
	"appliance/internal/blockstore"
	"appliance/internal/ledger"
)

// busy is a status with something of everything.
func busy() Status {
	return Status{
		Version: "1.2.3", Uptime: 3723.9, Ready: true,
		Tempo: Tempo{Where: "embedded", Ready: true},
		Ledger: ledger.Account{
			Received: 1_234_567, Kept: 234_567, SampledOut: map[string]int64{"random": 999_000, "rate": 1000, "never": 0}, Rejected: map[string]int64{},
			Pending: 4567, Proven: 229_990, Discarded: map[string]int64{"trace_too_large": 10},
		},
		Spool:   Spool{Bytes: 64 << 20, MaxBytes: 4 << 30, Oldest: time.Now().Add(-90 * time.Second)},
		Store:   &blockstore.Status{Blocks: 12, Bytes: 3 << 20, Cut: 1, Spans: 229_990, Merges: 2, Oldest: time.Now().Add(-20 * time.Hour)},
		Sampler: Sampler{Probability: 0.1},
	}
}

func TestStatusText(t *testing.T) {
	const plain = `appliance    1.2.3, up 1h2m3s, ready
storage      in this process
sampling     10 % of traces

spans
  received             1,234,567
  sampled out          1,000,000             random 999,000, rate 1,000
  rejected                     0
  kept                   234,567
    pending                4,567             in no proven block yet, oldest 1m30s
    proven               229,990
    discarded                 10             trace_too_large 10
    unaccounted                0

spool        64 MiB of 4.0 GiB
blocks       12 blocks, 3.0 MiB, oldest span 20h0m0s ago; since the start 1 block made of 229,990 spans, 2 merges
`
	for name, c := range map[string]struct {
		change func(*Status)
		last   bool
		want   string
	}{
		"busy": {func(*Status) {}, false, plain},
		"rates": {func(s *Status) { s.Ledger.Received += 5000; s.Ledger.Kept += 500; s.Ledger.Pending -= 17 }, true, `appliance    1.2.3, up 1h2m3s, ready
storage      in this process
sampling     10 % of traces

spans
  received             1,239,567      +5000
  sampled out          1,000,000             random 999,000, rate 1,000
  rejected                     0
  kept                   235,067       +500
    pending                4,550        -17  in no proven block yet, oldest 1m30s
    proven               229,990
    discarded                 10             trace_too_large 10
    unaccounted                0

spool        64 MiB of 4.0 GiB
blocks       12 blocks, 3.0 MiB, oldest span 20h0m0s ago; since the start 1 block made of 229,990 spans, 2 merges
`},
		"in trouble": {func(s *Status) {
			s.Ready, s.NotReady = false, "stopping"
			s.Ledger.Damaged, s.Ledger.Unaccounted = 7, 1
			s.Ledger.Pending, s.Spool.Oldest = 0, time.Time{}
			s.Ledger.Tenants = map[string]ledger.Tenant{"shop": {Kept: 2000, Pending: 1, Proven: 1990, Discarded: map[string]int64{"x": 9}}, "bank": {Kept: 5}}
			s.Spool.UnreadableSegments, s.Spool.QuarantinedBytes, s.Spool.LastError = 2, 4096, "no space left on device"
			s.Store.Copies, s.Store.Unreadable, s.Store.LastError = 3, 1, "make a block: no space left on device"
		}, false, `appliance    1.2.3, up 1h2m3s, not ready: stopping
storage      in this process
sampling     10 % of traces

spans
  received             1,234,567
  sampled out          1,000,000             random 999,000, rate 1,000
  rejected                     0
  kept                   234,567
    pending                    0
    proven               229,990
    discarded                 10             trace_too_large 10
    damaged                    7             by the disk; see ` + "`appliance spool verify`" + `
    unaccounted                1

tenants
  bank           kept 5, pending 0, proven 0, discarded 0
  shop           kept 2,000, pending 1, proven 1,990, discarded 9

spool        64 MiB of 4.0 GiB, 2 segments cannot be read, 4.0 KiB in quarantine, last error: no space left on device
blocks       12 blocks, 3.0 MiB, oldest span 20h0m0s ago; since the start 1 block made of 229,990 spans, 2 merges, 3 equal copies left out; 1 block cannot be read; last error: make a block: no space left on device
`},
		"archive": {func(s *Status) {
			headroom := (22*time.Hour + 48*time.Minute).Seconds()
			s.Archive = &Archive{Status: archive.Status{Mode: "embedded", HeadroomSeconds: &headroom, LagSeconds: 4320, SourceBlocks: 7, PendingBlocks: 2, PendingBytes: 4096,
				ArchivedBlocks: 1234, ArchivedBytes: 3 << 20, LastSuccess: time.Now().Add(-72 * time.Minute), Failures: map[string]int64{archive.CauseFull: 12, archive.CauseDenied: 0, archive.CausePurge: 3}, Purge: &archive.PurgeStatus{PurgedBlocks: 3, HeldBlocks: 1, HeldBytes: 2048, Doubt: "clock: it jumped by 1h"}}, NotPruned: "the clock jumped by 1h"}
		}, false, plain + `archive      purge headroom 22h48m0s; 2 of 7 blocks pending (4.0 KiB, oldest 1h12m0s)
archived     1,234 blocks (3.0 MiB) since the start, last success 1h12m0s ago; failures: store_full 12, purge_failed 3
purge        3 blocks purged, 1 held back (2.0 KiB); nothing is purged: clock: it jumped by 1h
prune        nothing is pruned: the clock jumped by 1h
`},
		"archive held up": {func(s *Status) {
			headroom := time.Hour.Seconds()
			why := "298 KiB of archive.max_bytes (320 KiB) are used"
			s.Archive = &Archive{Status: archive.Status{Mode: "embedded", HeadroomSeconds: &headroom, StoreBytes: 298 << 10, MaxBytes: 320 << 10,
				Holds: map[archive.Hold]string{archive.HoldRoom: why, archive.HoldStore: "it is another"}, Purge: &archive.PurgeStatus{HeldBlocks: 1, Doubt: "store_changed: it is another", Hold: archive.HoldStore}}}
		}, false, plain + `archive      purge headroom 1h0m0s; 0 of 0 blocks pending
archived     0 blocks (0 B) since the start, no success yet, 298 KiB of 320 KiB used, no failures
held up      store_changed: it is another
held up      no_room: 298 KiB of archive.max_bytes (320 KiB) are used
purge        0 blocks purged, 1 held back (0 B); nothing is purged while it is held up
`},
		"archive of a first start": {func(s *Status) {
			headroom := (24 * time.Hour).Seconds()
			s.Archive = &Archive{Status: archive.Status{Mode: "embedded", HeadroomSeconds: &headroom, Purge: &archive.PurgeStatus{Doubt: "clock: there is no record"}}}
		}, false, plain + `archive      purge headroom 24h0m0s; 0 of 0 blocks pending
archived     0 blocks (0 B) since the start, no success yet, no failures
purge        0 blocks purged; none is due
`},
		"another archives": {func(s *Status) { s.Archive = &Archive{NotRunning: "another replica archives"} }, false, plain + "archive      not running: another replica archives\n"},
		"pruning alone":    {func(s *Status) { s.Archive = &Archive{NotPruned: "no answer"} }, false, plain + "prune        nothing is pruned: no answer\n"},
		"elsewhere": {func(s *Status) {
			s.Tempo = Tempo{Where: "elsewhere", URL: "http://tempo:4318"}
			s.Forwarder = &Forwarder{"settled", forwarder.Stats{
				UnprovenSpans: 4000, InFlight: 2, Limit: 3.7, ResentSpans: 2000, LastError: "HTTP 503", FailedAt: time.Now().Add(-4 * time.Second),
			}}
			s.Ledger, s.Store = ledger.Account{Kept: 4567, Pending: 4567}, nil
		}, false, `appliance    1.2.3, up 1h2m3s, ready
storage      a Tempo at http://tempo:4318, which does not take spans now
sampling     10 % of traces

spans
  received                     0
  sampled out                  0
  rejected                     0
  kept                     4,567
    pending                4,567             4,000 with Tempo, which may not have written them yet, oldest 1m30s
    proven                     0
    discarded                  0
    unaccounted                0

spool        64 MiB of 4.0 GiB
forwarder    2 of 3 requests in flight, proof by settled, 2,000 spans sent again
             last error 4s ago: HTTP 503
`},
	} {
		s := busy()
		c.change(&s)
		var last *Status
		if c.last {
			before := busy()
			last = &before
		}
		got := Text(s, last)
		if got != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, c.want)
		}
		for line := range strings.Lines(got) {
			if strings.TrimRight(line, " \n")+"\n" != line {
				t.Errorf("%s: a line ends with a space: %q", name, line)
			}
		}
	}
}

func TestDisksText(t *testing.T) {
	got := disksText([]Disk{
		{Name: "data", Bytes: 10 << 30, FreeBytes: 5 << 30, ReservedBytes: 6 << 30},
		{Name: "archive", Bytes: 10 << 30, FreeBytes: 5 << 30},
		{Name: "other", Error: "gone"},
	})
	if want := "data: 5.0 GiB of 10 GiB free, 6.0 GiB kept for the spool (SHORT); archive: 5.0 GiB of 10 GiB free; other: gone"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
