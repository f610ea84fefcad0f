package forwarder

// bits is a set of spans of a shipment, by number; nil is empty.
type bits []uint64

func (b bits) has(i int) bool { return b != nil && b[i/64]>>(i%64)&1 == 1 }

// set adds a number to a set that is made for n of them.
func (b *bits) set(i, n int) {
	if *b == nil {
		*b = make(bits, (n+63)/64)
	}
	(*b)[i/64] |= 1 << (i % 64)
}
