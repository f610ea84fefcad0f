package red

import "sync"

// shard is a part of the halves that wait for their other side: a ring in the
// order in which they came, and lists of those in it by their key.
type shard struct {
	mu    sync.Mutex
	ring  []half  // a power of two of them, or none yet
	heads []int32 // as many: one more than a place in ring
	first uint32  // the oldest, as a count of all that came
	end   uint32
	edges map[edgeKey]*edge // those that were met here
	last  *edge             // the one that was met last, which is often the next too
	_     [64]byte          // the next one is on another cache line
}

const firstRing = 64

// add takes those of a list of halves.
func (s *shard) add(g *graph, halves []half, head int32, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(g, now)
	for n := head; n != 0; {
		h := &halves[n-1]
		n = h.next
		s.take(g, h, now)
	}
}

// tick ends waits where nothing comes any more, and says whether it ended one.
func (s *shard) tick(g *graph, now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.first
	s.expire(g, now)
	return s.first != first
}

func (s *shard) take(g *graph, h *half, now int64) {
	switch {
	case h.flags&isRoot != 0:
		s.count(g, edgeKey{h.other, h.self, oneSide}, h, h, now)
		return
	case h.flags&isDatabase != 0:
		s.count(g, edgeKey{h.self, h.other, database}, h, h, now)
		return
	}
	other, twin := s.pop(h)
	if twin {
		g.unpaired.Add(1)
		return
	}
	if other != nil {
		client, server := h, other
		if h.flags&isServer != 0 {
			client, server = other, h
		}
		kind := bothSides
		if (h.flags|other.flags)&isMessage != 0 {
			kind = messaging
		}
		s.count(g, edgeKey{client.self, server.self, kind}, client, server, now)
		return
	}
	s.push(g, h, now)
}

// pop takes the other side of h out of its list, if it is there. twin: the same
// side of the same call is there, as when a client's span has several servers.
// Only one of them can be paired, and lists of one key would be without end.
func (s *shard) pop(h *half) (other *half, twin bool) {
	if len(s.ring) == 0 {
		return nil, false
	}
	link := &s.heads[s.list(h.key)]
	for *link != 0 {
		w := &s.ring[*link-1]
		if w.key == h.key {
			if (w.flags^h.flags)&isServer == 0 {
				return nil, true
			}
			*link = w.next
			w.flags |= isDone
			return w, false
		}
		link = &w.next
	}
	return nil, false
}

// list is where the key's is. The low bits chose the shard.
func (s *shard) list(key uint64) uint64 { return key >> 8 & uint64(len(s.heads)-1) }

func (s *shard) push(g *graph, h *half, now int64) {
	for int(s.end-s.first) == len(s.ring) {
		if 2*len(s.ring)*len(g.shards) <= maxWaiting {
			s.grow()
			continue
		}
		g.dropped.Add(s.drop(g, now))
	}
	s.append(h)
}

// grow makes room for twice as many.
func (s *shard) grow() {
	old, first, end := s.ring, s.first, s.end
	s.ring = make([]half, max(firstRing, 2*len(old)))
	s.heads = make([]int32, len(s.ring))
	s.first, s.end = 0, 0
	for n := first; n != end; n++ {
		h := &old[n&uint32(len(old)-1)]
		if h.flags&isDone == 0 {
			s.append(h)
		}
	}
}

// append adds one at the end of the ring, which has room.
func (s *shard) append(h *half) {
	at := s.end & uint32(len(s.ring)-1)
	s.end++
	s.ring[at] = *h
	head := &s.heads[s.list(h.key)]
	s.ring[at].next = *head
	*head = int32(at + 1)
}

// expire ends the wait of the oldest.
func (s *shard) expire(g *graph, now int64) {
	for s.first != s.end {
		h := &s.ring[s.first&uint32(len(s.ring)-1)]
		if h.flags&isDone == 0 && now-int64(h.at) < g.wait {
			return
		}
		s.drop(g, now)
	}
}

// drop ends the wait of the oldest alone: 0 when it had been paired, else 1.
func (s *shard) drop(g *graph, now int64) uint64 {
	at := s.first & uint32(len(s.ring)-1)
	s.first++
	h := &s.ring[at]
	if h.flags&isDone != 0 {
		return 0
	}
	link := &s.heads[s.list(h.key)]
	for *link != int32(at+1) {
		link = &s.ring[*link-1].next
	}
	*link = h.next
	s.alone(g, h, now)
	return 1
}

// alone counts a call of which one side came.
func (s *shard) alone(g *graph, h *half, now int64) {
	if h.flags&isServer != 0 || h.other == noNode {
		g.unpaired.Add(1)
		return
	}
	kind := oneSide
	if h.flags&isMessage != 0 {
		kind = messaging
	}
	s.count(g, edgeKey{h.self, h.other, kind}, h, h, now)
}

// count adds a call to its edge.
func (s *shard) count(g *graph, k edgeKey, client, server *half, now int64) {
	e := s.last
	if e == nil || e.key != k {
		e = s.edge(g, k)
	}
	if e.used.Load() != now {
		e.used.Store(now)
	}
	e.clientTime.observe(edgeScale, client.ns)
	e.serverTime.observe(edgeScale, server.ns)
	outcome := 0
	if (client.flags|server.flags)&isError != 0 {
		e.failed.Add(1)
		outcome = 1
	}
	if (client.flags|server.flags)&isKept != 0 {
		e.examples[outcome].take(client, server, now, g.verdict)
	}
}

// take offers a call of which a side is kept, unless one came just now.
func (x *edgeExamples) take(client, server *half, now int64, verdict Verdict) {
	if now < x.due.Load() {
		return
	}
	x.due.Store(now + exampleEvery)
	kept := server
	if kept.flags&isKept == 0 {
		kept = client
	}
	x.offer(&example{trace: kept.trace, ns: server.ns, end: uint64(now) * 1e9}, now, verdict)
}

// edge finds an edge that is not the last one.
func (s *shard) edge(g *graph, k edgeKey) *edge {
	e := s.edges[k]
	if e == nil {
		e = g.edge(k)
		if e.key != k { // it has no room, and the map would grow with all of those
			return e
		}
		s.edges[k] = e
	}
	s.last = e
	return e
}

// forget drops edges that were idle since a time.
func (s *shard) forget(idle int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = nil
	for k, e := range s.edges {
		if e.used.Load() < idle {
			delete(s.edges, k)
		}
	}
}
