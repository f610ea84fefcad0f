package archive

import (
	"errors"
	"strings"
	"testing"
)

// A block that the room of the disk is not for is not copied, which is told of
// once; nothing is in doubt by it, and it goes on when there is room.
func TestRoomIsAskedFor(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	var asked []int64
	allow := 1
	a := b.archiver(func(o *Options) {
		o.Room = func(bytes int64) error {
			if asked = append(asked, bytes); len(asked) > allow {
				return errors.New("the spool needs it")
			}
			return nil
		}
	})
	for range 3 {
		out := b.runOnce(a)
		if out.Failed != 1 || asked[len(asked)-1] <= 0 {
			t.Fatalf("%+v, asked for %v", out, asked)
		}
	}
	s := a.Status()
	if s.ArchivedBlocks != 1 || s.PendingBlocks != len(levelZero)-1 || s.Failures[CauseFull] != 1 || !strings.Contains(s.LastFailure, "the spool needs it") || !s.LastSuccess.IsZero() {
		t.Errorf("%+v", s)
	}
	if a.doubt != "" {
		t.Errorf("in doubt: %s", a.doubt)
	}
	allow = 1000
	if out := b.runOnce(a); out.Failed != 0 || out.Archived != len(levelZero)-1 {
		t.Errorf("%+v", out)
	}
	b.whole(levelZero...)
}
