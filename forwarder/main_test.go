package forwarder

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also the process that TestKillNine kills. No test may leave a goroutine behind.
func TestMain(m *testing.M) {
	if dir := os.Getenv("FORWARDER_KILLED_DIR"); dir != "" {
		fmt.Fprintln(os.Stderr, killed(dir, os.Getenv("FORWARDER_KILLED_URL")))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}
