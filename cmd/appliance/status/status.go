// Package status is what a running appliance says of itself: what became of every
// span, and how the spool, the blocks and the archive are. The process fills it
// in, GET /api/v1/status answers it as JSON, and text, page and warnings say the
// same to a person.
package status

import (
	"time"

	"appliance/archive"
	"appliance/forwarder"
	"appliance/internal/blockstore"
	"appliance/internal/ledger"
	"appliance/internal/remotewrite"
	"appliance/internal/tail"
)

// Path is where it is asked for.
const Path = "/api/v1/status"

// FillsFrom is the share of spool.max_bytes from which the spool counts as
// filling.
const FillsFrom = 0.8

// Status is what GET /api/v1/status answers; `appliance status` prints it.
type Status struct {
	Version   string             `json:"version"`
	Uptime    float64            `json:"uptime_seconds"`
	Ready     bool               `json:"ready"`
	NotReady  string             `json:"not_ready,omitempty"` // why
	Tempo     Tempo              `json:"tempo"`
	Ledger    ledger.Account     `json:"ledger"`
	Spool     Spool              `json:"spool"`
	Store     *blockstore.Status `json:"store,omitempty"`     // absent with a Tempo elsewhere
	Forwarder *Forwarder         `json:"forwarder,omitempty"` // absent without one
	Sampler   Sampler            `json:"sampler"`
	Tail      *tail.Status       `json:"tail,omitempty"` // absent where tail sampling is off
	Disks     []Disk             `json:"disks"`
	Archive   *Archive           `json:"archive,omitempty"` // absent where nothing is archived
	// RemoteWrite is absent without metrics.remote_write.url.
	RemoteWrite *remotewrite.Status `json:"remote_write,omitempty"`
}

type Archive struct {
	archive.Status
	NotRunning string `json:"not_running,omitempty"` // why
	// why nothing is pruned, though archive.keep says so
	NotPruned string `json:"not_pruned,omitempty"`
}

type Tempo struct {
	Where string `json:"where"` // embedded: spans are stored here; or elsewhere
	URL   string `json:"url,omitempty"`
	Ready bool   `json:"ready"`
}

type Spool struct {
	Bytes              int64     `json:"bytes"`
	MaxBytes           int64     `json:"max_bytes"`
	PendingRecords     int64     `json:"pending_records"`
	Oldest             time.Time `json:"oldest,omitzero"` // when the oldest of them was received
	Segments           int       `json:"segments"`
	UnreadableSegments int       `json:"unreadable_segments"`
	QuarantinedBytes   int64     `json:"quarantined_bytes"`
	LastError          string    `json:"last_error,omitempty"`
}

type Forwarder struct {
	// Proof is how a record leaves the spool: settled, Tempo acknowledged its spans
	// and has had the time to write them.
	Proof string `json:"proof"`
	forwarder.Stats
}

type Sampler struct {
	Probability          float64 `json:"probability"`
	TargetSpansPerSecond float64 `json:"target_spans_per_second"`
	Pressure             bool    `json:"pressure"` // a full spool lowers the target
}

// Disk is the disk of something that we keep.
type Disk struct {
	// data: the spool, the blocks and, by default, the archive; archive: the archive
	Name      string `json:"name"`
	Dir       string `json:"dir"`
	Bytes     int64  `json:"bytes"`
	FreeBytes int64  `json:"free_bytes"`
	// ReservedBytes of the free ones are kept for the spool: blocks and the archive
	// do not take them.
	ReservedBytes int64  `json:"reserved_bytes"`
	Error         string `json:"error,omitempty"`
}
