package forwarder

import blockformat "appliance/internal/block"

// maxTokens bounds the spans of a block that are compared at once: 8 MiB of memory.
const maxTokens = 1 << 19

// tokens is a set of spans, by open addressing.
type tokens struct {
	seed  uint64
	slots []uint64 // 0 is empty
	n     int
}

func newTokens(seed uint64) *tokens { return &tokens{seed: seed, slots: make([]uint64, 1<<12)} }

func (t *tokens) token(traceID, spanID []byte, kind int64) uint64 {
	return max(1, blockformat.Token(t.seed, traceID, spanID, kind))
}

func (t *tokens) add(token uint64) {
	if 2*t.n >= len(t.slots) {
		old := t.slots
		t.slots = make([]uint64, 2*len(old))
		t.n = 0
		for _, o := range old {
			if o != 0 {
				t.add(o)
			}
		}
	}
	slot := t.slot(token)
	if t.slots[slot] == 0 {
		t.slots[slot] = token
		t.n++
	}
}

func (t *tokens) has(token uint64) bool { return t.slots[t.slot(token)] == token }

// slot is where a token is, or would be.
func (t *tokens) slot(token uint64) int {
	mask := len(t.slots) - 1
	i := int(token) & mask
	for t.slots[i] != 0 && t.slots[i] != token {
		i = (i + 1) & mask
	}
	return i
}

func (t *tokens) clear() {
	clear(t.slots)
	t.n = 0
}
