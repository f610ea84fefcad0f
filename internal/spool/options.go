package spool

import (
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"time"

	"appliance/internal/durable"
)

// Options of a spool; the zero value of each means its default.
type Options struct {
	// MaxBytes bounds the segment files. Default 4 GiB.
	MaxBytes int64
	// SegmentBytes is the size of a segment, preallocated. Default 64 MiB, at most
	// 1 GiB and a quarter of MaxBytes. A larger record gets a segment of its own.
	SegmentBytes int64
	// CheckpointEvery bounds how often releases are made durable. Default 1 s;
	// negative: at each Release.
	CheckpointEvery time.Duration
	// NoSpare leaves out preparing the next segment. Preparing makes syncs faster
	// and writes every byte of the disk twice.
	NoSpare bool
	// Logger gets what is damaged or cannot be written. Default: discarded.
	Logger *slog.Logger
	// FS is where the directory is. Default durable.OS.
	FS durable.FS

	// What only tests change; zero is the default.
	maxGroupBytes int64 // written and synced at once: 4 MiB; a larger record goes alone
	// for a group to become as large as the one before: 2 ms, never longer than a
	// commit takes, and not at all for a lone appender. Negative: never
	maxGroupWait    time.Duration
	quarantineBytes int64 // of copies of damaged data: 64 MiB
	now             func() time.Time
	salt            func() uint64
}

// Traces tell what users do: they are not for everybody on the machine.
const (
	dirMode  = 0o750
	fileMode = 0o640
)

const maxSegment = 1 << 30

func (o Options) withDefaults() Options {
	def := func(p *int64, v int64) {
		if *p == 0 {
			*p = v
		}
	}
	def(&o.MaxBytes, 4<<30)
	def(&o.SegmentBytes, 64<<20)
	o.SegmentBytes = min(o.SegmentBytes, maxSegment, max(o.MaxBytes/4, minSegment))
	def(&o.maxGroupBytes, 4<<20)
	def(&o.quarantineBytes, 64<<20)
	def((*int64)(&o.maxGroupWait), int64(2*time.Millisecond))
	def((*int64)(&o.CheckpointEvery), int64(time.Second))
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = durable.OS
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.salt == nil {
		o.salt = randomSalt
	}
	return o
}

// minSegment holds a small record and a footer.
const minSegment = 4 << 10

func randomSalt() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	return binary.LittleEndian.Uint64(b[:])
}
