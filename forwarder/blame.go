package forwarder

const blameAfter = 3 // failures, with others taken in between

// blame tells a fault of a shipment from a fault of Tempo: failures count only
// with a request that Tempo took between each and the next.
type blame struct {
	times int
	taken int64 // by Tempo, at the last of them
}

// add enters a failure, given how much Tempo has taken.
func (b *blame) add(taken int64) {
	if b.times == 0 || taken > b.taken {
		b.times++
		b.taken = taken
	}
}

// sure says that it is the shipment's.
func (b *blame) sure() bool { return b.times >= blameAfter }
