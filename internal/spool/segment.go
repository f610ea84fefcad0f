package spool

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"appliance/internal/durable"
)

const (
	segmentSuffix = ".seg"
	segmentMagic  = "aplspool"
	segmentHeader = 64 // bytes before the first frame
	formatVersion = 1
)

// identity tells a segment from every other one that ever was: the id orders
// it, the salt is random. Both are in the file's name and in its header, so
// that either may be damaged.
type identity struct {
	id, salt uint64
}

func (i identity) String() string { return fmt.Sprintf("%016x-%016x", i.id, i.salt) }

func (i identity) fileName() string { return i.String() + segmentSuffix }

func parseIdentity(s string) (identity, bool) {
	var i identity
	if n, err := fmt.Sscanf(s, "%016x-%016x", &i.id, &i.salt); n != 2 || err != nil || i.String() != s {
		return identity{}, false
	}
	return i, true
}

func parseFileName(name string) (identity, bool) {
	stem, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return identity{}, false
	}
	return parseIdentity(stem)
}

// appendSegmentHeader appends the 64 bytes that a segment begins with.
func appendSegmentHeader(b []byte, i identity, created time.Time) []byte {
	start := len(b)
	b = append(b, segmentMagic...)
	b = order.AppendUint32(b, formatVersion)
	b = order.AppendUint32(b, segmentHeader)
	b = order.AppendUint64(b, i.id)
	b = order.AppendUint64(b, i.salt)
	b = order.AppendUint64(b, uint64(created.UnixNano()))
	b = append(b, make([]byte, segmentHeader-4-(len(b)-start))...)
	return order.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// checkSegmentHeader is false when the header is damaged, which is not a reason
// not to read on. The error is ErrVersion, or that it is another segment's.
func checkSegmentHeader(b []byte, want identity) (ok bool, err error) {
	if len(b) < segmentHeader || string(b[:len(segmentMagic)]) != segmentMagic ||
		crc32.Checksum(b[:segmentHeader-4], castagnoli) != order.Uint32(b[segmentHeader-4:]) {
		return false, nil
	}
	if v := order.Uint32(b[8:]); v != formatVersion {
		return false, fmt.Errorf("segment %s: %w %d, want %d", want, ErrVersion, v, formatVersion)
	}
	if got := (identity{order.Uint64(b[16:]), order.Uint64(b[24:])}); got != want {
		return false, fmt.Errorf("segment %s: its header says it is %s", want, got)
	}
	return true, nil
}

// mark is a place between two frames of a segment.
type mark struct {
	offset int64  // where the next frame begins
	index  uint32 // which one it is
	before uint64 // spans before it
}

var segmentStart = mark{offset: segmentHeader}

// extent is a range of bytes in a segment.
type extent struct {
	Offset int64 `json:"offset"`
	Bytes  int64 `json:"bytes"`
}

func (e extent) end() int64 { return e.Offset + e.Bytes }

// torn is a range that was never acknowledged. What follows it was whole when
// the range was found, so that it is known which record that is: should the
// disk damage it since, it is known what is missing. Next's index is 0 in
// footers of before it was kept.
type torn struct {
	extent
	Index  uint32 `json:"index,omitempty"`
	Before uint64 `json:"spans_before,omitempty"`
}

// segment is one file and what is known of it. Once a Spool has it, Spool.mu
// guards all that can change.
type segment struct {
	identity
	path   string
	info   fs.FileInfo // of the file that was opened first
	headed bool        // the header is whole
	torn   []torn      // never acknowledged, to be passed over

	size   int64 // bytes of the file
	end    mark  // where the committed frames end; nothing behind it is read
	sealed bool  // no more appends
	total  Tally // all that was committed, damaged since or not
	oldest int64 // time of the first record, unix nanoseconds

	low      mark             // all before it is released or lost; the persistent cursor
	released Tally            // before low
	lost     Tally            // before low
	gone     Tally            // released or lost, before and after low
	done     bitset           // by index: released or lost
	damage   map[int64]Damage // by offset, what is not counted in lost yet
	dirty    bool             // done has changed since low was last moved

	vanished bool // its file is gone; it is not among those that are read

	file durable.File // open while refs > 0
	refs int
}

func newSegment(dir string, i identity) *segment {
	return &segment{
		identity: i,
		path:     filepath.Join(dir, i.fileName()),
		end:      segmentStart,
		low:      segmentStart,
		damage:   make(map[int64]Damage),
	}
}

// left is how many records are pending.
func (g *segment) left() int64 { return g.total.Records - g.gone.Records }

// lostSoFar is what is known to be lost, before and after low.
func (g *segment) lostSoFar() Tally {
	var t Tally
	t.addAll(g.lost)
	for _, d := range g.damage {
		t.add(d.Tenant, d.Lost)
	}
	return t
}

// walk returns a walker over what is committed and not known to be done.
func (g *segment) walk(f durable.File, windowSize int) walker {
	return walker{win: newWindow(f, windowSize), salt: g.salt, at: g.low, end: g.end, torn: g.torn}
}

// acquire opens the file for one more user, who calls release. Spool.mu is held.
func (g *segment) acquire(fsys durable.FS) (durable.File, error) {
	if g.refs == 0 {
		f, err := fsys.OpenFile(g.path, os.O_RDONLY, 0)
		if err != nil {
			return nil, err
		}
		if info, err := f.Stat(); err != nil || !durable.SameFile(info, g.info) {
			return nil, errors.Join(fmt.Errorf("open segment %s: %w", g.identity, errVanished), err, f.Close())
		}
		g.file = f
	}
	g.refs++
	return g.file, nil
}

// drop ends one use of the file. Spool.mu is held.
func (g *segment) drop() error {
	g.refs--
	if g.refs > 0 {
		return nil
	}
	f := g.file
	g.file = nil
	return f.Close()
}

// bitset holds which records of a segment are done.
type bitset []uint64

func (b bitset) has(i uint32) bool {
	return int(i/64) < len(b) && b[i/64]&(1<<(i%64)) != 0
}

func (b *bitset) set(i uint32) {
	for int(i/64) >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[i/64] |= 1 << (i % 64)
}
