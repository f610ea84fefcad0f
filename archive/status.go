package archive

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"appliance/archive/store"
)

// Status is what an Archiver knows of its work; its JSON is part of
// /api/v1/status. Counters are since the start.
type Status struct {
	Mode   string `json:"mode"` // embedded or elsewhere
	Source string `json:"source"`
	Store  string `json:"store"`
	// HeadroomSeconds is the time until something that is not archived may be
	// deleted by a Tempo elsewhere, or is older than the embedded store's
	// retention, from where on it is held back. Absent until the source was
	// listed: it is not known then.
	HeadroomSeconds *float64 `json:"headroom_seconds,omitempty"`
	// LagSeconds is how long the oldest block that is not archived yet has been known.
	LagSeconds  float64   `json:"lag_seconds"`
	LastScan    time.Time `json:"last_scan,omitzero"`    // the source was listed whole
	LastSuccess time.Time `json:"last_success,omitzero"` // and all of it was archived

	SourceBlocks  int   `json:"source_blocks"`
	SourceBytes   int64 `json:"source_bytes"`
	PendingBlocks int   `json:"pending_blocks"` // not archived yet
	PendingBytes  int64 `json:"pending_bytes"`
	// not copied: their spans are in other archived blocks
	CoveredBlocks    int `json:"covered_blocks"`
	UnfinishedBlocks int `json:"unfinished_blocks"` // directories without a whole meta.json

	// StoreBytes are those of all archived blocks in the store, also of other
	// archivers, as they were last counted.
	StoreBytes int64 `json:"store_bytes"`
	// archive.max_bytes; absent where there is no bound
	MaxBytes int64 `json:"max_bytes,omitempty"`
	// Holds say why nothing is archived or purged until somebody has done something.
	Holds map[Hold]string `json:"holds,omitempty"`

	ArchivedBlocks int64            `json:"archived_blocks_total"`
	ArchivedBytes  int64            `json:"archived_bytes_total"`
	Conflicts      int64            `json:"conflicts_total"` // blocks kept under a derived id
	UnknownFormats map[string]int64 `json:"unknown_formats_total,omitempty"`
	Failures       map[string]int64 `json:"failures_total,omitempty"` // by cause, see Causes
	LastFailure    string           `json:"last_failure,omitempty"`
	LastFailureAt  time.Time        `json:"last_failure_at,omitzero"`
	Gaps           []Gap            `json:"gaps,omitempty"` // also of earlier runs
	Warnings       []Warning        `json:"warnings,omitempty"`
	Purge          *PurgeStatus     `json:"purge,omitempty"` // of the embedded block store
}

// PurgeStatus is what happens to blocks that are older than the retention.
type PurgeStatus struct {
	// Doubt says why nothing at all is purged now; empty when all is well.
	Doubt string `json:"doubt,omitempty"`
	// Hold is which of Status.Holds the doubt is, or empty.
	Hold Hold `json:"hold,omitempty"`
	// HeldBlocks are older than the retention and still there, for the doubt's
	// sake, because they are not archived and proven, or because the source
	// would not delete them.
	HeldBlocks   int   `json:"held_blocks"`
	HeldBytes    int64 `json:"held_bytes"`
	PurgedBlocks int64 `json:"purged_blocks_total"`
	PurgedBytes  int64 `json:"purged_bytes_total"`
}

// Causes of failures, as Status counts them.
const (
	CauseSource  = "source_unreadable"
	CauseDamaged = "source_block_damaged"
	CauseChanged = "source_block_changing"
	CauseFull    = "store_full"
	CauseDenied  = "store_denied"
	CauseStore   = "store_unavailable"
	CauseTaken   = "id_taken"
	CauseCatalog = "catalog_unreadable"
	CauseCopy    = "archived_copy_damaged"
	CausePurge   = "purge_failed"
	CauseGone    = "vanished_unarchived"
)

// Causes are all causes that Status.Failures counts.
func Causes() []string {
	return []string{CauseSource, CauseDamaged, CauseChanged, CauseFull, CauseDenied, CauseStore, CauseTaken, CauseCatalog, CauseCopy, CausePurge, CauseGone}
}

// causeOf tells why copying failed. What is not known to be the source's fault
// is taken to be the store's, so that nothing is purged meanwhile.
func causeOf(err error) string {
	var src *sourceError
	switch {
	case errors.Is(err, errDamaged):
		return CauseDamaged
	case errors.Is(err, errChanged), errors.Is(err, errUnfinished):
		return CauseChanged
	case errors.Is(err, errTaken):
		return CauseTaken
	case errors.As(err, &src):
		return CauseSource
	case errors.Is(err, store.ErrFull):
		return CauseFull
	case errors.Is(err, store.ErrDenied):
		return CauseDenied
	}
	return CauseStore
}

// Status returns the state of the work. It does not wait for anything.
func (a *Archiver) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.status
	s.UnknownFormats, s.Failures, s.Holds = maps.Clone(s.UnknownFormats), maps.Clone(s.Failures), maps.Clone(s.Holds)
	s.Gaps, s.Warnings = slices.Clone(a.memory.Gaps), slices.Clone(s.Warnings)
	if s.Purge != nil {
		purge := *s.Purge
		s.Purge = &purge
	}
	now := time.Now()
	wall := a.opt.wall()
	limit := a.opt.CompactedRetention
	if a.opt.Embedded != nil {
		limit = a.opt.Embedded.Retention
	}
	headroom := limit
	for _, k := range a.known {
		if k.state == stateDeleted {
			continue
		}
		s.SourceBlocks++
		s.SourceBytes += k.bytes
		switch k.state {
		case stateUnfinished:
			s.UnfinishedBlocks++
			continue
		case stateCovered:
			s.CoveredBlocks++
			continue
		case stateDone:
			continue
		}
		s.PendingBlocks++
		s.PendingBytes += k.bytes
		s.LagSeconds = max(s.LagSeconds, now.Sub(k.seen).Seconds())
		switch {
		case a.opt.Embedded != nil && !k.end.IsZero():
			headroom = min(headroom, limit-wall.Sub(k.end))
		case a.opt.Embedded != nil: // its meta cannot be read
			headroom = min(headroom, limit-now.Sub(k.seen))
		case !k.markedSeen.IsZero():
			headroom = min(headroom, limit-now.Sub(k.markedSeen)-a.opt.Interval)
		}
	}
	if a.scanned.IsZero() {
		return s
	}
	// A block that was not seen yet has been there for no longer than the last
	// look. With the embedded store that counts only when looks fail or are
	// late: the end of its spans is not that exact.
	if late := now.Sub(a.scanned); a.opt.Embedded == nil || late > lateLooks*a.opt.Interval {
		headroom = min(headroom, limit-late)
	}
	seconds := max(0, headroom.Seconds())
	s.HeadroomSeconds = &seconds
	return s
}

// lateLooks is after how many intervals without a whole listing the embedded
// store counts as not looked at.
const lateLooks = 3

// update changes the status under its lock.
func (a *Archiver) update(change func(s *Status)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.status)
}

// fail counts and logs a failure, once, unless it is only that the work ends.
func (a *Archiver) fail(ctx context.Context, cause string, err error, attrs ...any) {
	if err == nil || ctx.Err() != nil {
		return
	}
	a.opt.Logger.Error("archiving did not succeed", append([]any{"cause", cause, "err", err}, attrs...)...)
	a.update(func(s *Status) {
		s.Failures[cause]++
		s.LastFailure, s.LastFailureAt = err.Error(), a.opt.wall()
	})
}
