package store

import (
	"time"

	"appliance/internal/durable"
)

// Hurry makes an S3 store wait as little as a test can: before it retries, for a
// server that stands still, and before it takes up what another process left.
func Hurry(s Store, stall time.Duration) {
	s3 := s.(*s3Store)
	s3.backoff, s3.stall, s3.idle = time.Millisecond, stall, 0
	s3.endless.longest = 2 * stall
}

// OnFS is a directory store on any filesystem.
func OnFS(fsys durable.FS, o Options) Store { return newDirStore(fsys, "/store", o) }

// BufferSize is the unit of copying in bytes.
const BufferSize = bufferSize
