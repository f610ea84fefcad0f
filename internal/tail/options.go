package tail

import (
	"log/slog"
	"time"

	"appliance/internal/durable"
	"appliance/internal/otlpwire"
	"appliance/internal/spool"
)

// Settings are what can be replaced while a Line runs.
type Settings struct {
	// Wait is how long a trace is open after its first span came.
	Wait time.Duration
	// Remember is how long the verdict on a trace holds for its late spans.
	Remember time.Duration
	Rules    []Rule
}

// Options of a Line. Dir, Spool, Threshold and Thin are required.
type Options struct {
	Settings
	Dir   string // of the verdicts; made if it is missing
	Spool *spool.Spool
	// Threshold is the rejection threshold of a probability, of 2^56; 2^56 for 0.
	Threshold func(probability float64) (uint64, error)
	// Thin says what becomes of a span where its trace has a threshold: whether
	// its randomness is at least that, and the tracestate with which it leaves,
	// made in buf.
	Thin func(threshold uint64, s *otlpwire.Span, buf []byte) (otlpwire.Verdict, []byte)
	// MaxTraces bounds the traces that are open, and those whose verdicts are
	// remembered, each by itself. Default 3 million.
	MaxTraces int
	// MaxOutcomes bounds what is held of the records that are decided and still in
	// the spool, in bytes; the rest is read again when it is asked for. Default 64
	// MiB. That of one segment is held however large it is.
	MaxOutcomes int
	Logger      *slog.Logger
	FS          durable.FS // where Dir is; default durable.OS
}

func (o Options) withDefaults() Options {
	if o.MaxTraces == 0 {
		o.MaxTraces = 3_000_000
	}
	if o.MaxOutcomes == 0 {
		o.MaxOutcomes = 64 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = durable.OS
	}
	return o
}

const (
	groupFor   = 250 * time.Millisecond // records that are decided together come within this
	groupBytes = 4 << 20                // and hold about so much
	retryAfter = time.Second
	readTries  = 5 // of a record that the disk does not give
	foldEvery  = 10 * time.Second
	farBehind  = 10 * time.Second // for which files of verdicts are there longer than needed
)
