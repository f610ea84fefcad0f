package nomad

import "appliance/internal/config"

// ownMemory is what the appliance needs besides the requests in flight, in MiB:
// a heap with which everything works, though slowly, and what is not heap.
const ownMemory = 48 + 30

// leastMemory is what the task needs with its receiver.inflight_bytes, in MiB.
// Whether a value that was set is one is said by whoever checks the task's
// configuration.
func (s Spec) leastMemory() int {
	return s.mebibytes("receiver.inflight_bytes", config.Default().Receiver.InflightBytes) + ownMemory
}

// mebibytes is a size that a person set for a key of the configuration, in MiB,
// rounded up.
func (s Spec) mebibytes(key string, size config.Bytes) int {
	if text := s.setting(key); text != "" {
		var set config.Bytes
		if set.UnmarshalText([]byte(text)) == nil {
			size = set
		}
	}
	return int((size-1)>>20) + 1
}

// exceeds tells whether the memory_limit that a person set is more than the
// task may ever use.
func (s Spec) exceeds() bool {
	return s.setting("memory_limit") != "" && s.mebibytes("memory_limit", 1) > max(s.Memory, s.MemoryMax)
}
