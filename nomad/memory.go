package nomad

import "appliance/internal/config"

// How the memory of the appliance's task is shared out, in MiB.
const (
	// ownHeap is what serve needs on its heap besides the requests in flight.
	ownHeap = 36
	// uncounted is what GOMEMLIMIT does not count: the binary's pages, and what the kernel holds for us.
	uncounted = 30
)

// inflight is receiver.inflight_bytes of the task, in MiB, rounded up. Whether a value that was set is one is said by whoever
// checks the task's configuration.
func (s Spec) inflight() int {
	return s.mebibytes("receiver.inflight_bytes", config.Default().Receiver.InflightBytes)
}

// mebibytes is a size that a person set for a key of the configuration, in MiB, rounded up.
func (s Spec) mebibytes(key string, size config.Bytes) int {
	if text := s.setting(key); text != "" {
		var set config.Bytes
		if set.UnmarshalText([]byte(text)) == nil {
			size = set
		}
	}
	return int((size-1)>>20) + 1
}

// ownMemory is what the appliance needs besides an embedded Tempo.
func (s Spec) ownMemory() int { return ownHeap + s.inflight() + uncounted }

// leastOfTempo is what an embedded Tempo needs to start.
func (s Spec) leastOfTempo() int {
	if s.Tempo != TempoEmbedded {
		return 0
	}
	return int(config.LeastTempoMemory >> 20)
}

// memoryOfTempo is the limit of an embedded Tempo: what the appliance leaves.
func (s Spec) memoryOfTempo() int { return s.Memory - s.ownMemory() }

// exceeds tells whether the limits of the appliance and of its Tempo, one of them set by a person, are more than the task
// may ever use.
func (s Spec) exceeds() bool {
	return s.Tempo == TempoEmbedded &&
		s.goMemory()+s.mebibytes("tempo.memory_limit", 0) > max(s.Memory, s.MemoryMax)
}

// goMemory is GOMEMLIMIT of the appliance. Beside an embedded Tempo it is the bound that serve would set by itself. Alone
// in its task it may use more: all but the requests in flight, the large ones of which are not counted, and what never is.
func (s Spec) goMemory() int {
	bound := ownHeap + s.inflight()
	if s.Tempo == TempoEmbedded {
		return bound
	}
	return max(bound, s.Memory-s.inflight()-uncounted)
}
