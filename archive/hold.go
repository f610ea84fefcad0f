package archive

import (
	"context"
	"fmt"
)

// A Hold is a standing reason why nothing is archived, or nothing is purged:
// somebody has to do something.
type Hold string

// The holds, by their names in Status and metrics.
const (
	// the store and the source are not apart; nothing is archived
	HoldSame  Hold = "store_is_source"
	HoldStore Hold = "store_changed" // the store is not that of the last run; nothing is purged
	// the store may not grow; nothing more is archived, but what is may be purged
	HoldRoom Hold = "no_room"
)

// Holds are all that there are.
func Holds() []Hold { return []Hold{HoldSame, HoldStore, HoldRoom} }

// said are the log lines of a hold that begins and of one that ends.
var said = map[Hold][2]string{
	HoldSame: {
		"nothing is archived, since the archive is its own source",
		"the archive and its source are apart",
	},
	HoldStore: {
		"nothing is purged, since the store is not that of the last run",
		"the store is that of the last run, or was confirmed",
	},
	HoldRoom: {
		"nothing more is archived for want of room",
		"there is room in the archive again",
	},
}

// hold begins or goes on with a hold, by its reason, and ends it where that is
// nil. Each change is one log line.
func (a *Archiver) hold(ctx context.Context, h Hold, reason error) {
	if ctx.Err() != nil {
		return
	}
	if reason != nil && h != HoldRoom { // purging what is archived makes room
		a.doubt = doubt{fmt.Sprintf("%s: %v", h, reason), h}
	}
	_, held := a.status.Holds[h]
	a.update(func(s *Status) {
		if reason != nil {
			s.Holds[h] = reason.Error()
		} else {
			delete(s.Holds, h)
		}
	})
	switch {
	case reason != nil && !held:
		a.opt.Logger.Error(said[h][0], "hold", h, "err", reason)
	case reason == nil && held:
		a.opt.Logger.Info(said[h][1], "hold", h)
	}
}
