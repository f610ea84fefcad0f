package serve

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"

	"appliance/cmd/appliance/status"
	"appliance/internal/disk"
	"appliance/internal/telemetry"
)

const (
	disksEvery = time.Second
	// LeastLeft is what should be left for blocks and the archive beside a full spool.
	LeastLeft = 1 << 30
)

// disks knows what room there is, as of a second ago: a disk that does not answer
// keeps nobody waiting.
type disks struct {
	dataDir    string
	archiveDir string // empty where the archive is no directory
	held       func() int64
	maxSpool   int64
	// forSpool is what the spool may grow to: spool.max_bytes from when that fitted
	// on; before, half of what there was at the start, so that blocks can be written.
	forSpool atomic.Int64
	sameDisk bool // the archive is on that of the data

	known atomic.Pointer[[]status.Disk]
	short atomic.Bool // the data's disk has no more than is kept for the spool
}

// newDisks looks at the disks of a data directory and of an archive's store, a
// URL or empty. held is what the spool takes now.
func newDisks(dataDir, store string, maxSpool int64, held func() int64) *disks {
	d := &disks{dataDir: dataDir, archiveDir: FileDir(store), held: held, maxSpool: maxSpool}
	data, err := disk.Of(dataDir)
	d.forSpool.Store(min(maxSpool, (data.Free+held())/2))
	if d.archiveDir != "" && err == nil {
		archive, err := disk.Of(d.archiveDir)
		d.sameDisk = err == nil && archive.Device == data.Device
	}
	d.look()
	return d
}

// FileDir is the directory of a file URL; empty for others.
func FileDir(store string) string {
	u, err := url.Parse(store)
	if err != nil || u.Scheme != "file" {
		return ""
	}
	return filepath.FromSlash(u.Path)
}

// reserved is what the spool may still grow by.
func (d *disks) reserved() int64 { return max(0, d.forSpool.Load()-d.held()) }

// look takes in how much room there is now.
func (d *disks) look() {
	of := func(name, dir string, reserved int64) status.Disk {
		s := status.Disk{Name: name, Dir: dir, ReservedBytes: reserved}
		room, err := disk.Of(dir)
		if err != nil {
			s.Error = err.Error()
		}
		s.Bytes, s.FreeBytes = room.Bytes, room.Free
		return s
	}
	data := of("data", d.dataDir, 0)
	if data.FreeBytes+d.held() >= d.maxSpool {
		d.forSpool.Store(d.maxSpool)
	}
	reserved := d.reserved()
	data.ReservedBytes = reserved
	d.short.Store(data.Error == "" && data.FreeBytes < reserved)
	known := []status.Disk{data}
	if d.archiveDir != "" {
		if !d.sameDisk {
			reserved = 0
		}
		known = append(known, of("archive", d.archiveDir, reserved))
	}
	d.known.Store(&known)
}

// watch looks now and then.
func (d *disks) watch(ctx context.Context) error {
	tick := time.NewTicker(disksEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			d.look()
		}
	}
}

// roomFor says whether so many bytes may be written beside the spool, to its
// disk: nil, or an error that tells an operator what to do.
func (d *disks) roomFor(bytes int64) error {
	room, err := disk.Of(d.dataDir)
	if err != nil {
		return nil //nolint:nilerr // whoever writes will see
	}
	reserved := d.reserved()
	if room.Free-bytes >= reserved {
		return nil
	}
	return fmt.Errorf("the disk of %s has %s free, of which the spool may still need %s; free some, or lower spool.max_bytes",
		d.dataDir, humanize.IBytes(uint64(room.Free)), humanize.IBytes(uint64(reserved)))
}

// archiveRoom is roomFor as the archiver wants it; nil where the archive has a
// disk of its own, is not a directory, or nobody has looked.
func (d *disks) archiveRoom() func(int64) error {
	if d == nil || !d.sameDisk {
		return nil
	}
	return d.roomFor
}

// warn says at the start what will not fit.
func (d *disks) warn(logger *slog.Logger, maxSpool int64) {
	data := (*d.known.Load())[0]
	if data.Error != "" {
		logger.Warn("the room of the disk is unknown", "dir", data.Dir, "err", data.Error)
		return
	}
	left := data.FreeBytes + d.held() - maxSpool
	with := "the blocks"
	if d.sameDisk {
		with += " and the archive"
	}
	attrs := []any{
		"dir", data.Dir, "free", humanize.IBytes(uint64(data.FreeBytes)), "spool", humanize.IBytes(uint64(d.held())),
		"spool_max", humanize.IBytes(uint64(maxSpool)),
	}
	switch {
	case left < 0:
		logger.Warn("spool.max_bytes does not fit on the disk", append(attrs, "hint", "lower spool.max_bytes, or free some room; until then the spool gets half of what there is")...)
	case left < LeastLeft:
		logger.Warn("a full spool leaves little of the disk", append(attrs, "left", humanize.IBytes(uint64(left)), "hint", "lower spool.max_bytes, or free some room for "+with)...)
	}
}

func (d *disks) metrics() []telemetry.Metric {
	metric := func(name, help string, read func(status.Disk) int64) telemetry.Metric {
		return telemetry.Metric{Name: name, Help: help, Labels: []string{"disk"}, Read: func(e func(float64, ...string)) {
			for _, s := range *d.known.Load() {
				if s.Error == "" {
					e(float64(read(s)), s.Name)
				}
			}
		}}
	}
	return []telemetry.Metric{
		metric("appliance_disk_bytes", "Size of the filesystem of data_dir (data), and of the archive where that is a directory (archive).", func(s status.Disk) int64 { return s.Bytes }),
		metric("appliance_disk_free_bytes", "Free bytes of it.", func(s status.Disk) int64 { return s.FreeBytes }),
		metric("appliance_disk_reserved_bytes", "Of the free bytes, those that are kept for the spool, which blocks and the archive do not take.", func(s status.Disk) int64 { return s.ReservedBytes }),
	}
}
