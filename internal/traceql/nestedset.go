package traceql

// place is where a span stands in the tree of its trace, as vParquet4 stores it.
// left and right enclose those of all descendants; parent is the left of the
// parent, -1 for a root. All are 0 for a span whose place is not known.
type place struct{ left, right, parent int32 }

const (
	kindServer = 2
	kindClient = 3
)

// treeSpan is what is needed of a span to place it.
type treeSpan struct {
	id, parent string // bytes; a root has no parent
	kind       int64
}

// placeSpans numbers the spans of a trace in their order, roots first to last
// and depth first.
//
// Two spans may share an id, as the client and server side of a Zipkin call do:
// a server's parent is then the client of the pair, any other's the server. A
// trace without a root, or with three spans of one id, has no places; nor has a
// span that is not reached from a root.
func placeSpans(spans []treeSpan) []place {
	places := make([]place, len(spans))
	byID := make(map[string][2]int32, len(spans)) // index + 1
	for i, s := range spans {
		pair := byID[s.id]
		switch {
		case pair[0] == 0:
			pair[0] = int32(i) + 1
		case pair[1] == 0:
			pair[1] = int32(i) + 1
		default:
			return places
		}
		byID[s.id] = pair
	}
	var (
		none    = int32(-1)
		first   = make([]int32, len(spans)) // child
		last    = make([]int32, len(spans))
		next    = make([]int32, len(spans)) // sibling
		parents = make([]int32, len(spans))
		roots   []int32
	)
	for i := range spans {
		first[i], last[i], next[i] = none, none, none
	}
	for i, s := range spans {
		parents[i] = none
		if s.parent == "" {
			roots = append(roots, int32(i))
			continue
		}
		p := parentOf(spans, byID[s.parent], s.kind)
		if p < 0 {
			continue
		}
		parents[i] = p
		if first[p] < 0 {
			first[p] = int32(i)
		} else {
			next[last[p]] = int32(i)
		}
		last[p] = int32(i)
	}
	counter := int32(0)
	for _, root := range roots {
		at, parent := root, int32(-1)
		for {
			counter++
			places[at].left, places[at].parent = counter, parent
			if first[at] >= 0 {
				parent, at = counter, first[at]
				continue
			}
			for at != root || places[at].right == 0 {
				counter++
				places[at].right = counter
				if at == root || next[at] >= 0 {
					break
				}
				at = parents[at]
			}
			if at == root {
				break
			}
			parent, at = places[parents[at]].left, next[at]
		}
	}
	return places
}

// parentOf chooses of a pair of spans with one id, given as index + 1.
func parentOf(spans []treeSpan, pair [2]int32, kind int64) int32 {
	if pair[1] == 0 {
		return pair[0] - 1
	}
	want := int64(kindServer)
	if kind == kindServer {
		want = kindClient
	}
	for _, i := range pair {
		if spans[i-1].kind == want {
			return i - 1
		}
	}
	return -1
}
