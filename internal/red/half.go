package red

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"appliance/internal/otlpwire"
)

// half is what a span says of a call: one of its two sides. It has no pointers,
// since there may be hundreds of thousands.
type half struct {
	key   uint64 // equal for the two sides of a call
	ns    uint64
	trace [16]byte // of a span that is kept
	self  uint32   // node of the span's service
	other uint32   // node that a client names, or that of users; noNode: none
	at    uint32   // unix seconds when it came
	next  int32    // in a list: one more than a place, 0 ends it
	flags uint8
}

const (
	isServer uint8 = 1 << iota // or a consumer
	isError
	isMessage   // producer and consumer
	isDatabase  // of which the other side sends no spans
	isRoot      // a server that nobody of ours has called
	isDone      // it was paired
	isKept      // by the sampler
	notYet      = 1<<32 - 1
	noNode      = 1<<32 - 2
	overflowing = 0 // the node of those that have no room
)

// pairKeys hash the identifiers of spans. They are those of one process.
type pairKeys [4]uint64

func newPairKeys() (k pairKeys) {
	for i := range k {
		k[i] = rand.Uint64()
	}
	return k
}

// of hashes the trace and the client's span of a call.
func (k *pairKeys) of(tenant uint64, trace, span []byte) uint64 {
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(trace)^k[0], binary.LittleEndian.Uint64(trace[8:])^k[1])
	hi, lo = bits.Mul64(hi^lo^k[2], binary.LittleEndian.Uint64(span)^k[3])
	return hi ^ lo ^ tenant
}

// addHalf notes a span of which another service may have the other side.
func (t *Tally) addHalf(sp *otlpwire.Span, kind uint8, ns uint64, failed, kept bool) {
	if len(t.halves) >= maxHalves {
		t.dropped++
		return
	}
	g := &t.m.graph
	if t.self == notYet {
		t.self = g.node(t, sp.Service)
	}
	h := half{ns: ns, self: t.self, other: noNode, at: uint32(t.now)}
	if failed {
		h.flags |= isError
	}
	if kept {
		h.flags |= isKept
		copy(h.trace[:], sp.TraceID)
	}
	if kind >= producerKind {
		h.flags |= isMessage
	}
	if kind == serverKind || kind == consumerKind {
		h.flags |= isServer
		if len(sp.ParentSpanID) == 0 {
			if kind == consumerKind {
				return // whoever produced it is not known
			}
			h.flags |= isRoot
			if t.user == notYet {
				t.user = g.node(t, g.userName)
			}
			h.other = t.user
			h.key = g.keys.of(t.hash, sp.TraceID, sp.SpanID)
		} else {
			h.key = g.keys.of(t.hash, sp.TraceID, sp.ParentSpanID)
		}
	} else {
		h.key = g.keys.of(t.hash, sp.TraceID, sp.SpanID)
		if kind == clientKind && len(sp.DBSystem) > 0 {
			h.flags |= isDatabase
		}
		if name := named(sp); len(name) > 0 {
			if !same(name, t.peer) {
				t.peer, t.peerNode = name, g.node(t, name)
			}
			h.other = t.peerNode
		}
	}
	shard := h.key & uint64(len(g.shards)-1)
	h.next = t.heads[shard]
	t.halves = append(t.halves, h)
	t.heads[shard] = int32(len(t.halves))
	t.sharded |= 1 << shard
}

// named is what a client's span calls the other side.
func named(sp *otlpwire.Span) []byte {
	switch {
	case len(sp.PeerService) > 0:
		return sp.PeerService
	case len(sp.ServerAddress) > 0:
		return sp.ServerAddress
	}
	return sp.DBSystem
}
