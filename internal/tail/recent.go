package tail

import (
	"encoding/binary"
	"sync/atomic"
)

// recent has the verdicts on the traces that were decided last, for whoever asks
// while the Line runs: a table with one place for each of many ids, in which a newer
// verdict takes the place of an older one.
type recent [1 << 16]atomic.Uint64

// place is where an id is, and 63 bits of it with the one that says kept.
func (*recent) place(id *[16]byte) (at int, bits uint64) {
	x := binary.BigEndian.Uint64(id[8:])*0x9e3779b97f4a7c15 ^ binary.BigEndian.Uint64(id[:])
	return int(x >> 48), x | 1
}

const keptBit = 1

func (r *recent) set(id *[16]byte, kept bool) {
	at, bits := r.place(id)
	if !kept {
		bits &^= keptBit
	}
	r[at].Store(bits)
}

// Verdict says whether a trace is kept. known is false while that is undecided, and
// for a trace that is forgotten: the last ten thousands are known. It does not wait.
func (l *Line) Verdict(id [16]byte) (kept, known bool) {
	at, bits := l.recent.place(&id)
	found := l.recent[at].Load()
	return found&keptBit != 0, found|keptBit == bits
}
