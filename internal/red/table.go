package red

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"
)

// key names a series, or a node of the graph where node is its kind.
type key struct {
	tenant, service, name string
	kind, status          uint8
}

// probe is a key whose names are bytes of a request.
type probe struct {
	hash          uint64
	tenant        string
	service, name []byte
	kind, status  uint8
}

func (p *probe) key() key {
	return key{p.tenant, string(p.service), string(p.name), p.kind, p.status}
}

func (k *key) is(p *probe) bool {
	return k.kind == p.kind && k.status == p.status && k.name == string(p.name) && k.service == string(p.service) && k.tenant == p.tenant
}

// item is what a table holds. It never moves, and all but its value stays as it is.
type item[V any] struct {
	key   key
	hash  uint64
	id    uint32
	used  atomic.Int64 // unix seconds
	gone  atomic.Bool  // out of the table: nothing may be added any more
	value V
}

func (i *item[V]) use(now int64) {
	if i.used.Load() != now {
		i.used.Store(now)
	}
}

// table finds items by key without a lock. Only one at a time may put.
type table[V any] struct {
	slots []atomic.Pointer[item[V]]
	shift int
	count int
}

// newTable makes one for at most so many items.
func newTable[V any](most int) *table[V] {
	b := bits.Len(uint(2*most + 1))
	return &table[V]{slots: make([]atomic.Pointer[item[V]], 1<<b), shift: 64 - b}
}

// spread makes the high bits of a hash depend on all of it.
func spread(hash uint64) uint64 { return hash * 0x9e3779b97f4a7c15 }

func (t *table[V]) find(p *probe) *item[V] {
	at := spread(p.hash) >> t.shift
	for {
		i := t.slots[at].Load()
		if i == nil {
			return nil
		}
		if i.hash == p.hash && i.key.is(p) {
			return i
		}
		at = (at + 1) & uint64(len(t.slots)-1)
	}
}

// put adds an item that is not there.
func (t *table[V]) put(i *item[V]) {
	at := spread(i.hash) >> t.shift
	for t.slots[at].Load() != nil {
		at = (at + 1) & uint64(len(t.slots)-1)
	}
	t.slots[at].Store(i)
	t.count++
}

func (t *table[V]) each(visit func(*item[V])) {
	for n := range t.slots {
		if i := t.slots[n].Load(); i != nil {
			visit(i)
		}
	}
}

// hasher combines the hashes of names. Its seed is that of one process, so that
// nobody can choose names that collide.
type hasher struct{ seed maphash.Seed }

func (h hasher) of(service uint64, name []byte, kind, status uint8) uint64 {
	return maphash.Bytes(h.seed, name) ^ bits.RotateLeft64(service, 23) ^ uint64(kind)<<8 ^ uint64(status)<<12
}

// service hashes what is the same for all spans of a resource.
func (h hasher) service(tenant uint64, service []byte) uint64 {
	return maphash.Bytes(h.seed, service)*3 ^ tenant
}

func (h hasher) tenant(name string) uint64 { return maphash.String(h.seed, name) * 5 }
