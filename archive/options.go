package archive

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"appliance/archive/store"
)

// Options say what an Archiver copies from where to where. Store and Source
// stay the caller's to close.
type Options struct {
	Store  store.Store
	Source Source
	// Embedded is set where the source is the appliance's own block store, of
	// which the archiver alone has blocks deleted. Without it nothing ever is.
	Embedded *Embedded
	// Origin names the source in manifests and in what is remembered. Two
	// archivers of one source give the same, those of different sources
	// different ones. Empty: OriginOf(Source), which changes with the host's
	// name.
	Origin string
	// Interval is the time between two looks at the source; 0 is 30 s. It
	// should be well under CompactedRetention.
	Interval time.Duration
	// CompactedRetention is Tempo's
	// compactor.compaction.compacted_block_retention: how long a block stays
	// after it was marked. 0 is Tempo's default, 1 h. Where TempoURL answers,
	// its value is used instead.
	CompactedRetention time.Duration
	// StoreFile remembers in the data directory which store it is that this
	// archiver works on. While the store is another, nothing is purged; see
	// KnownStore. Empty: any store will do, as for one who purges nothing.
	StoreFile string
	// MaxBytes bounds what all archived blocks take in the store; 0 is no
	// bound. Above it nothing more is archived, so nothing that is not archived
	// yet is purged.
	MaxBytes int64
	// Room is asked before each block is copied, with the block's bytes; an
	// error says why it may not be, and holds up archiving until a later call
	// returns nil. It must not block. nil: there is always room.
	Room func(bytes int64) error
	// TempoURL is the HTTP address of the Tempo elsewhere, whose settings are
	// looked at. Empty: they are not.
	TempoURL string
	// Logger hears of what somebody may have to act on; nil is silence.
	Logger *slog.Logger

	// What only tests change; zero is the default.
	by   string           // names this archiver in manifests: the host's name
	wall func() time.Time // the wall clock: time.Now
}

// Embedded says how the source is purged, where it is the appliance's own block store.
type Embedded struct {
	// Retention is the age, by the end of its last span, from which a block may be purged.
	Retention time.Duration
	// Delete takes a block out of the source. Its files go once no query reads
	// it, in such an order that a crash leaves all of the block or nothing that
	// counts as one. false: it cannot go now, and is asked again; or it is gone
	// already.
	Delete func(tenant, block string) bool
	// Final says that a block stays as it is until it is deleted, so that it
	// can be archived, and goes on saying so until then. Others are as if they
	// were not there: not pending, not due, and no gap when they go. nil: all
	// are final.
	Final func(tenant, block string) bool
}

const (
	defaultInterval           = 30 * time.Second
	defaultCompactedRetention = time.Hour
)

func (o Options) filled() (Options, error) {
	if o.Store == nil || o.Source == nil {
		return o, errors.New("an archiver needs a store and a source")
	}
	if o.Store.URL() == o.Source.URL() {
		return o, fmt.Errorf("the archive and its source are both %s", o.Store.URL())
	}
	if e := o.Embedded; e != nil && (e.Retention <= 0 || e.Delete == nil) {
		return o, fmt.Errorf("purging %s needs a retention (%s) and who deletes (%t)", o.Source.URL(), e.Retention, e.Delete != nil)
	}
	if o.Origin == "" {
		o.Origin = OriginOf(o.Source)
	}
	if o.by == "" {
		o.by, _ = os.Hostname() // a manifest without it is as good
	}
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.CompactedRetention <= 0 {
		o.CompactedRetention = defaultCompactedRetention
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.wall == nil {
		o.wall = time.Now
	}
	return o, nil
}

// OriginOf is the URL of a source, for a directory with the host's name in it,
// since other hosts have others of that path.
func OriginOf(src Source) string {
	host, err := os.Hostname()
	path, local := strings.CutPrefix(src.URL(), "file:///")
	if err != nil || !local {
		return src.URL()
	}
	return "file://" + host + "/" + path
}
