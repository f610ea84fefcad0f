package tempo

import (
	"slices"
	"testing"
)

// A limit that somebody sets for the parent (a job does) is not the child's.
func TestChildHasItsOwnMemoryLimit(t *testing.T) {
	got := childEnv([]string{"HOME=/", "GOMEMLIMIT=100MiB", "GOGC=25", "APPLIANCE_TEMPO_MEMORY_LIMIT=1GiB", "OTEL_SERVICE_NAME=x"}, 320<<20)
	if want := []string{"HOME=/", "GOMEMLIMIT=335544320"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
