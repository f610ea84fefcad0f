package serve

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"appliance/internal/disk"
)

// What the spool may still grow by is kept free; on a disk where spool.max_bytes
// does not fit at all, half of what there is.
func TestRoomOfTheSpool(t *testing.T) {
	dir := t.TempDir()
	room, err := disk.Of(dir)
	if err != nil {
		t.Fatal(err)
	}
	store := "file://" + filepath.Join(dir, "archive")
	const held = 100 << 20
	for _, c := range []struct {
		max      int64
		reserved int64 // about
		refuses  int64 // so many bytes, about
		warns    string
	}{
		{1 << 20, 0, room.Free, ""},
		{held + room.Free/4, room.Free / 4, room.Free * 3 / 4, ""},
		{held + room.Free - LeastLeft/2, room.Free - LeastLeft/2, LeastLeft / 2, "a full spool leaves little of the disk"},
		{2 * room.Free, room.Free / 2, room.Free / 2, "spool.max_bytes does not fit on the disk"},
	} {
		d := newDisks(dir, store, c.max, func() int64 { return held })
		const slack = 256 << 20 // others use the disk too
		if got := d.reserved(); got < c.reserved-slack || got > c.reserved+slack {
			t.Errorf("of %d bytes %d are kept for a spool of %d, want %d", room.Free, got, c.max, c.reserved)
		}
		may := d.archiveRoom()
		if err := may(c.refuses - slack); err != nil {
			t.Errorf("spool of %d: %v", c.max, err)
		}
		if err := may(c.refuses + slack); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "lower spool.max_bytes") {
			t.Errorf("spool of %d: %v, want a refusal that says what to do", c.max, err)
		}
		var logs bytes.Buffer
		d.warn(slog.New(slog.NewTextHandler(&logs, nil)), c.max)
		if (c.warns == "") != (logs.Len() == 0) || !strings.Contains(logs.String(), c.warns) {
			t.Errorf("spool of %d: warned %q, want %q", c.max, logs.String(), c.warns)
		}
		known := *d.known.Load()
		if len(known) != 2 || known[0].Name != "data" || known[1].Name != "archive" || known[0].Bytes != room.Bytes || known[1].ReservedBytes != known[0].ReservedBytes {
			t.Errorf("%+v", known)
		}
	}
	// Once there is room for it, it gets all of it.
	d := newDisks(dir, store, 2*room.Free, func() int64 { return held })
	d.maxSpool = 1 << 30
	d.look()
	if got := d.reserved(); got != 1<<30-held {
		t.Errorf("%d bytes are kept for a spool of 1 GiB that fits now", got)
	}
	if d := newDisks(dir, "s3://bucket", 1, func() int64 { return 0 }); len(*d.known.Load()) != 1 || d.archiveRoom() != nil {
		t.Error("a bucket is on a disk")
	}
	if d := newDisks(dir, "file:///proc/archive", 1, func() int64 { return 0 }); d.archiveRoom() != nil {
		t.Error("another disk is taken for that of the spool")
	}
}
