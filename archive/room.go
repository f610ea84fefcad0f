package archive

import (
	"context"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

// recountEvery is how often the store is counted again while it is full, for
// what others have pruned.
const recountEvery = 5 * time.Minute

// room says why so many more bytes may not be archived now; nil where they may.
// It is the one place that decides that.
func (a *Archiver) room(ctx context.Context, bytes int64) error {
	if most := a.opt.MaxBytes; most > 0 {
		if a.stored+bytes > most && time.Since(a.counted) >= recountEvery {
			if err := a.count(ctx); err != nil {
				a.fail(ctx, causeOf(err), err) // what we counted before stands
			}
		}
		if a.stored+bytes > most {
			return fmt.Errorf("%s of archive.max_bytes (%s) are used, and the next block has %s; "+
				"raise it, or prune: appliance archive prune", sizeText(a.stored), sizeText(most), sizeText(bytes))
		}
	}
	if a.opt.Room != nil {
		return a.opt.Room(bytes)
	}
	return nil
}

func sizeText(bytes int64) string { return humanize.IBytes(uint64(bytes)) }

// count sums up the blocks in the store, whoever archived them.
func (a *Archiver) count(ctx context.Context) error {
	inv, err := takeInventory(ctx, a.opt.Store)
	if err != nil {
		return fmt.Errorf("count what is archived: %w", err)
	}
	a.setStored(inv.bytes())
	return nil
}

func (a *Archiver) setStored(n int64) {
	a.stored, a.counted = n, time.Now()
	a.update(func(s *Status) { s.StoreBytes = n })
}

// bytes are those of the blocks that are there.
func (inv *inventory) bytes() (n int64) {
	for i := range inv.archived {
		n += inv.archived[i].bytes
	}
	return n
}
