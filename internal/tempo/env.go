package tempo

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// childEnv is the parent's environment without what would make Tempo trace itself, and with its memory limit.
func childEnv(parent []string, memoryLimit int64) []string {
	env := slices.DeleteFunc(slices.Clone(parent), func(kv string) bool {
		for _, prefix := range []string{"OTEL_", "JAEGER_", "GOMEMLIMIT=", "GOGC=", "APPLIANCE_"} {
			if strings.HasPrefix(kv, prefix) {
				return true
			}
		}
		return false
	})
	return append(env, "GOMEMLIMIT="+strconv.FormatInt(memoryLimit, 10))
}

func sortedKeys(n node) []string { return slices.Sorted(maps.Keys(n)) }
