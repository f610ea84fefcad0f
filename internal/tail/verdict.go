package tail

// verdict says what is left out of a trace: every span whose randomness is
// below the threshold, of 2^56. The lower 24 bits of a threshold are zero, so
// that four bytes hold it.
type verdict struct {
	rule      string // empty: no rule matched
	threshold uint64
}

const (
	keepAll  = 0
	keepNone = 1 << 56 // above all randomness
	// thresholdBits are those of a threshold that four bytes leave out.
	thresholdBits = 24
	// packedNone stands for keepNone; the threshold that it would be is not used.
	packedNone = 1<<32 - 1
)

func pack(threshold uint64) uint32 {
	if threshold >= keepNone {
		return packedNone
	}
	return uint32(min(threshold>>thresholdBits, packedNone-1))
}

func unpack(p uint32) uint64 {
	if p == packedNone {
		return keepNone
	}
	return uint64(p) << thresholdBits
}

// verdictOf is the verdict on a trace, for its late spans: 24 bytes.
type verdictOf struct {
	id        [16]byte
	threshold uint32 // packed
	tenant    uint16
	rule      uint16 // index of a name
}

func (v *verdictOf) of() key { return key{v.id, v.tenant} }

// names gives words small numbers.
type names struct {
	list   []string
	number map[string]uint16
}

func newNames() names { return names{number: map[string]uint16{}} }

// of is the number of a name. There is room for 65,536; further ones share the
// last.
func (n *names) of(name string) uint16 {
	if i, ok := n.number[name]; ok {
		return i
	}
	if len(n.list) > 1<<16-1 {
		return 1<<16 - 1
	}
	i := uint16(len(n.list))
	n.list = append(n.list, name)
	n.number[name] = i
	return i
}
