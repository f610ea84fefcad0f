package oracle

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"time"
)

// place names a span: the number of its trace, and which span of the trace it is.
type place struct {
	trace uint64
	index uint32
}

// maxIndex bounds the spans of a trace: an index takes three bytes of a span id.
const maxIndex = 1<<24 - 1

// formula makes spans from their places. Two formulas with different seeds have no trace in common.
type formula struct {
	seed      uint64
	epoch     time.Time // when the spans say that they happened
	textBytes int       // length of the text attribute at most
}

// content is all that a span says, in a form that can be compared.
type content struct {
	traceID    [16]byte
	spanID     [8]byte
	parent     [8]byte // zero for the first of a trace
	service    string  // of its resource
	name       string
	kind       int32
	start, end uint64 // unix nanoseconds
	status     int32
	message    string
	number     int64
	share      float64
	method     string // Tempo has columns of their own for some attributes
	code       int64
	text       string
	attributes int
	event      string // empty: no event
	eventAt    uint64
	events     int
	linkTrace  [16]byte // zero: no link
	linkSpan   [8]byte
	links      int
}

// mix is a bijection of 64 bits that scatters them (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (f *formula) traceID(trace uint64) (id [16]byte) {
	// no leading zero, so that a search writes all 32 digits
	binary.BigEndian.PutUint64(id[:8], f.seed|1<<63)
	binary.BigEndian.PutUint64(id[8:], mix(f.seed+trace))
	return id
}

// owns says that a trace id is one of this formula's, whatever its number.
func (f *formula) owns(id [16]byte) bool {
	return binary.BigEndian.Uint64(id[:8]) == f.seed|1<<63
}

func (f *formula) hash(p place) uint64 { return mix(mix(f.seed^p.trace) + uint64(p.index)) }

// spanID carries the index, so that a span that is found can be checked without a search.
func (f *formula) spanID(p place) (id [8]byte) {
	binary.BigEndian.PutUint64(id[:], f.hash(p)<<24|uint64(p.index))
	return id
}

// indexOf reads the index out of a span id; it is false when the formula would
// give that index another id.
func (f *formula) indexOf(trace uint64, id []byte) (index uint32, ok bool) {
	if len(id) != 8 {
		return 0, false
	}
	index = uint32(binary.BigEndian.Uint64(id) & maxIndex)
	want := f.spanID(place{trace, index})
	return index, string(want[:]) == string(id)
}

var (
	methods  = [...]string{"GET", "PUT", "POST", "DELETE"}
	services = [...]string{"web", "cart", "stock", "mail", "search", "bank", "login"}
)

func (f *formula) service(trace uint64) string { return services[trace%uint64(len(services))] }

// span is what a place says.
func (f *formula) span(p place) content {
	h := f.hash(p)
	h2 := mix(h)
	c := content{
		traceID:    f.traceID(p.trace),
		spanID:     f.spanID(p),
		service:    f.service(p.trace),
		kind:       int32(1 + h%5),
		start:      uint64(f.epoch.UnixNano()) + uint64(p.index)*1000 + h%1000,
		status:     int32(h >> 8 % 3),
		number:     int64(h),
		share:      math.Float64frombits(0x3ff0000000000000 | h2>>12), // 1 to 2
		method:     methods[h2%uint64(len(methods))],
		code:       int64(200 + h2>>8%300),
		attributes: 4,
	}
	c.end = c.start + h2%uint64(time.Second)
	c.name = "work " + hex.EncodeToString(c.spanID[:2])
	if p.index > 0 {
		c.parent = f.spanID(place{p.trace, 0})
	}
	if c.status == 2 {
		c.message = "broken at " + hex.EncodeToString(c.spanID[:])
	}
	if f.textBytes > 0 {
		c.text = text(h2, int(h>>16%uint64(f.textBytes))+1)
		c.attributes++
	}
	if h>>40%8 == 0 {
		c.event, c.eventAt, c.events = "seen "+hex.EncodeToString(c.spanID[2:5]), c.start, 1
	}
	if h>>48%16 == 0 {
		c.linkTrace, c.linkSpan, c.links = f.traceID(p.trace-1), c.spanID, 1
	}
	return c
}

// text is n characters that do not compress to less than three quarters.
func text(h uint64, n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	b := make([]byte, 0, n+10)
	for len(b) < n {
		h = mix(h)
		for v, i := h, 0; i < 10; i++ {
			b = append(b, alphabet[v&63])
			v >>= 6
		}
	}
	return string(b[:n])
}
