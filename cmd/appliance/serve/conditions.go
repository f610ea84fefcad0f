package serve

import (
	"context"
	"errors"
	"time"

	"github.com/dustin/go-humanize"

	"appliance/archive"
	"appliance/cmd/appliance/status"
	"appliance/internal/spool"
)

const (
	conditionsEvery = time.Second
	// fillsTo is the share of its bound from which the spool does not count as
	// filling any more.
	fillsTo = 0.7
)

// conditions says in one log line each when something changes that an operator
// wants to know of: that spans are refused, that the spool fills, that a Tempo
// elsewhere or the archive is away; and when that is over.
type conditions struct {
	a        *appliance
	refusing *refusal
	filling  bool
	archive  archiveAway
}

func (a *appliance) watchConditions(ctx context.Context) error {
	tick := time.NewTicker(conditionsEvery)
	defer tick.Stop()
	c := conditions{a: a}
	a.tryRoom()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			c.look()
		}
	}
}

// tryRoom finds out at the start whether spans will be refused, if it seems so:
// nobody has sent any yet.
func (a *appliance) tryRoom() {
	const size = 64 << 10 // a usual batch
	data := (*a.disks.known.Load())[0]
	full := int64(a.conf.Spool.MaxBytes)-a.spool.Held() < usualPayload
	if !full && (data.Error != "" || data.FreeBytes >= usualPayload) {
		return
	}
	if err := a.spool.TryRoom(size); errors.Is(err, spool.ErrFull) || spool.DiskFull(err) {
		a.sink.refusing.note(err, size)
	}
}

func (c *conditions) look() {
	a := c.a
	a.spool.Look()
	a.sink.refusing.look(a.spool.TryRoom)
	c.sayRefusing(a.sink.refusing.now.Load())
	c.sayFilling(a.spool.Fill())
	a.storage.look()
	if archiver := a.archive.archiver.Load(); archiver != nil && a.archive.idle.Load() == nil {
		s := archiver.Status()
		c.sayArchive(c.archive.changed(s), s.LastFailure)
	}
}

func (c *conditions) sayRefusing(now *refusal) {
	log, was := c.a.logger, c.refusing
	c.refusing = now
	switch {
	case now == nil && was == nil, now != nil && was != nil && now.kind == was.kind:
	case now == nil:
		log.Info("spans are taken again", "was", was.name())
	case now.kind == spoolFull:
		used, most := c.a.spool.Fill()
		log.Error("the spool is full; clients are answered 503 and send again", "spool", humanize.IBytes(uint64(used)), "spool_max", humanize.IBytes(uint64(most)))
	case now.kind == diskFull:
		log.Error("the disk of the spool is full; clients are answered 503 and send again", "err", now.err)
	default:
		log.Error("the spool cannot be written; clients are answered 503 and send again", "err", now.err)
	}
}

func (c *conditions) sayFilling(used, most int64) {
	fill := float64(used) / float64(most)
	attrs := []any{"spool", humanize.IBytes(uint64(used)), "spool_max", humanize.IBytes(uint64(most))}
	switch {
	case !c.filling && fill >= status.FillsFrom:
		c.filling = true
		c.a.logger.Warn("the spool fills", attrs...)
	case c.filling && fill < fillsTo:
		c.filling = false
		c.a.logger.Info("the spool has room again", attrs...)
	}
}

// change is what became of something that can be away.
type change int

const (
	unchanged change = iota
	wentAway
	cameBack
)

// archiveAway follows whether the archive's store takes blocks, by what the archiver counts.
type archiveAway struct {
	away     bool
	failures int64     // of the store
	success  time.Time // the last one when it went away
}

// storeCauses are failures that are not those of the source or of single blocks.
var storeCauses = []string{archive.CauseStore, archive.CauseFull, archive.CauseDenied, archive.CauseCatalog}

func (t *archiveAway) changed(s archive.Status) change {
	var failures int64
	for _, cause := range storeCauses {
		failures += s.Failures[cause]
	}
	more := failures > t.failures
	t.failures = failures
	switch {
	case more && !t.away:
		t.away, t.success = true, s.LastSuccess
		return wentAway
	case !more && t.away && s.LastSuccess.After(t.success):
		t.away = false
		return cameBack
	}
	return unchanged
}

func (c *conditions) sayArchive(what change, failure string) {
	switch what {
	case wentAway:
		c.a.logger.Error("the archive does not take blocks; none is purged that is not archived", "err", failure)
	case cameBack:
		c.a.logger.Info("the archive takes blocks again")
	}
}
