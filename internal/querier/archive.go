package querier

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"appliance/internal/block"
	"appliance/internal/readapi"
)

// Archive is where archived blocks are: archive/read.
type Archive interface {
	// Blocks are the committed blocks of a tenant, the newest end first, from a
	// list that was begun after a time and is about a second old at most. They
	// must not be changed. Missing names blocks of which nothing is known.
	Blocks(ctx context.Context, tenant string, after time.Time) ([]*ArchivedBlock, readapi.Missing, error)
	// Source has the files of a block. Nothing is opened yet.
	Source(tenant string, b *ArchivedBlock) Source
	// Pruned says whether a block is no longer committed.
	Pruned(ctx context.Context, tenant string, b *ArchivedBlock) bool
}

// Source has the files of a block until Close.
type Source interface {
	block.Source
	Close() error
}

// ArchivedBlock is what is known of an archived block before it is opened. It
// takes little memory, since there may be many.
type ArchivedBlock struct {
	ID uuid.UUID
	// Start and End are the times of its spans in Unix seconds, both included.
	Start, End int64
	// Twin says that other bytes were archived as well under the id that it had
	// where it came from, so that a block of the store with its id may have
	// other spans.
	Twin bool

	blooms atomic.Int32 // how many; 0: not known yet
	traces atomic.Int64 // as blooms
}
