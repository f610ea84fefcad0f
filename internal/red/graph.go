package red

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
)

// graph pairs the two sides of calls.
type graph struct {
	keys     pairKeys
	hash     hasher
	userName []byte
	verdict  Verdict
	wait     int64 // seconds for which a side waits for the other
	most     int   // nodes, and edges
	shards   []shard

	mu       sync.Mutex
	nodes    atomic.Pointer[table[struct{}]]
	byID     []*node
	free     []uint32 // ids that new nodes may have
	retired  []uint32 // ids that become free the next time: a span that is just added may have one
	edges    map[edgeKey]*edge
	nextEdge uint32
	unpaired atomic.Uint64
	dropped  atomic.Uint64
	overflow atomic.Uint64 // calls of which a side or the edge had no room
}

// node is a service, or what a client's span says that it calls.
type node = item[struct{}]

// userName is the node of those who call a service and send no spans.
const userName = "user"

// Types of edges, the values of the label connection_type.
const (
	bothSides uint8 = iota
	messaging
	database
	oneSide
)

var connectionTypes = [...]string{"", "messaging_system", "database", "virtual_node"}

type edgeKey struct {
	client, server uint32
	kind           uint8
}

// edge is calls of one node by another.
type edge struct {
	key                    edgeKey
	id                     uint32
	tenant, client, server string
	used                   atomic.Int64
	failed                 atomic.Uint64
	clientTime, serverTime live
	examples               [2]edgeExamples // of calls that succeeded and that failed
	base                   edgeTotals
}

// edgeExamples are those of an edge. Every call that is kept could be one, so a
// look at a number says whether one is due.
type edgeExamples struct {
	due atomic.Int64 // unix seconds
	examples
}

// edgeTotals are an edge's numbers. There are as many calls as serverTime has.
type edgeTotals struct {
	failed                 uint64
	clientTime, serverTime Histogram
}

func (e *edge) load() edgeTotals {
	return edgeTotals{e.failed.Load(), e.clientTime.load(edgeScale), e.serverTime.load(edgeScale)}
}

func (e *edge) store(t *edgeTotals) {
	e.failed.Store(t.failed)
	e.clientTime.store(&t.clientTime)
	e.serverTime.store(&t.serverTime)
}

func (t *edgeTotals) add(o *edgeTotals) {
	t.failed += o.failed
	t.clientTime.Add(&o.clientTime)
	t.serverTime.Add(&o.serverTime)
}

func (t *edgeTotals) since(earlier *edgeTotals) {
	t.failed -= earlier.failed
	t.clientTime.since(&earlier.clientTime)
	t.serverTime.since(&earlier.serverTime)
}

const (
	maxShards  = 64
	maxWaiting = 1 << 18 // halves, 16 MiB
)

func (g *graph) init(hash hasher, most int, wait int64, verdict Verdict) {
	g.keys, g.hash, g.most, g.wait, g.verdict = newPairKeys(), hash, most, wait, verdict
	g.userName = []byte(userName)
	g.edges = map[edgeKey]*edge{}
	g.nodes.Store(newTable[struct{}](most + 1))
	g.newNode(&probe{service: []byte(Overflow)}) // overflowing
	n := min(maxShards, max(4, 1<<bits.Len(uint(2*runtime.GOMAXPROCS(0)))))
	g.shards = make([]shard, n)
	for i := range g.shards {
		g.shards[i].edges = map[edgeKey]*edge{}
	}
}

// node is the number of a node of the tally's tenant.
func (g *graph) node(t *Tally, name []byte) uint32 {
	p := probe{tenant: t.tenant, service: cut(name)}
	p.hash = g.hash.service(t.hash, p.service)
	n := g.nodes.Load().find(&p)
	if n == nil {
		if n = g.newNode(&p); n == nil {
			return overflowing
		}
	}
	n.use(t.now)
	return n.id
}

func (g *graph) newNode(p *probe) *node {
	g.mu.Lock()
	defer g.mu.Unlock()
	nodes := g.nodes.Load()
	if n := nodes.find(p); n != nil {
		return n
	}
	if nodes.count > g.most {
		return nil
	}
	n := &node{key: p.key(), hash: p.hash}
	if last := len(g.free) - 1; last >= 0 {
		n.id, g.free = g.free[last], g.free[:last]
		g.byID[n.id] = n
	} else {
		n.id = uint32(len(g.byID))
		g.byID = append(g.byID, n)
	}
	nodes.put(n)
	return n
}

// edge is one of all, made if there is room.
func (g *graph) edge(k edgeKey) *edge {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e := g.edges[k]; e != nil {
		return e
	}
	if len(g.edges) >= g.most || g.byID[k.client] == nil || g.byID[k.server] == nil {
		g.overflow.Add(1)
		k.client, k.server = overflowing, overflowing
		if e := g.edges[k]; e != nil {
			return e
		}
	}
	client, server := g.byID[k.client].key, g.byID[k.server].key
	e := &edge{key: k, id: g.nextEdge, tenant: client.tenant, client: client.service, server: server.service}
	g.nextEdge++
	if e.tenant == "" {
		e.tenant = server.tenant
	}
	g.edges[k] = e
	return e
}

// add brings the halves of a request to their shards, each of which is locked
// once.
func (g *graph) add(t *Tally, now int64) {
	for sharded := t.sharded; sharded != 0; sharded &= sharded - 1 {
		i := bits.TrailingZeros64(sharded)
		g.shards[i].add(g, t.halves, t.heads[i], now)
	}
	if t.dropped > 0 {
		g.dropped.Add(t.dropped)
	}
}

// expire ends the wait of those who have waited long enough, and says whether
// there were any.
func (g *graph) expire(now int64) (ended bool) {
	for i := range g.shards {
		ended = g.shards[i].tick(g, now) || ended
	}
	return ended
}

// all are the edges.
func (g *graph) all() []*edge {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]*edge, 0, len(g.edges))
	for _, e := range g.edges {
		out = append(out, e)
	}
	return out
}

func (g *graph) size() (nodes, edges int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.nodes.Load().count, len(g.edges)
}

func (g *graph) waiting() (n int) {
	for i := range g.shards {
		s := &g.shards[i]
		s.mu.Lock()
		n += int(s.end - s.first)
		s.mu.Unlock()
	}
	return n
}

// forget drops edges that were idle since a time, and nodes that no edge has and
// that no span had since a later one: no half is so old. Nothing may be added
// meanwhile.
func (g *graph) forget(edgesIdle, nodesIdle int64) {
	for i := range g.shards {
		g.shards[i].forget(edgesIdle)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	needed := map[uint32]bool{overflowing: true}
	for k, e := range g.edges {
		if e.used.Load() < edgesIdle {
			delete(g.edges, k)
			continue
		}
		needed[k.client], needed[k.server] = true, true
	}
	g.free, g.retired = append(g.free, g.retired...), nil
	old := g.nodes.Load()
	next := newTable[struct{}](g.most + 1)
	old.each(func(n *node) {
		if needed[n.id] || n.used.Load() >= nodesIdle {
			next.put(n)
			return
		}
		g.byID[n.id] = nil
		g.retired = append(g.retired, n.id)
	})
	g.nodes.Store(next)
}
