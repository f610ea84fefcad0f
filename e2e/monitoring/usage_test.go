package monitoring

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"appliance/e2e/internal/harness"
)

// TestUsage asks the command what fills the disk and the archive, and finds all
// spans that were sent there.
func TestUsage(t *testing.T) {
	env := harness.QuickBlocks()
	a := harness.Start(t, harness.Options{Env: env})
	f := newTraffic()
	f.send(t, a, 200)
	a.Delivered(t, patience)
	ask := func(args ...string) string {
		return run(t, ".", harness.Bin(t), append([]string{"usage", "--url", "http://" + a.Read}, args...)...)
	}
	harness.Eventually(t, patience, "the archive has all spans", func() error {
		var u struct {
			LastDay struct {
				Spans     int64
				DiskBytes int64    `json:"disk_bytes"`
				Halve     []string `json:"to_halve"`
			} `json:"last_day"`
			Archive struct {
				Blocks     int
				Operations []struct {
					Service, Operation string
					Spans, Bytes       int64
				}
			}
		}
		text := ask("--archive", "-o", "json")
		if err := json.Unmarshal([]byte(text), &u); err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
		var archived int64
		for _, o := range u.Archive.Operations {
			archived += o.Spans
		}
		if u.LastDay.Spans != 600 || u.LastDay.DiskBytes == 0 || len(u.LastDay.Halve) == 0 || archived != 600 {
			return fmt.Errorf("%d spans in the last day, %d archived: %s", u.LastDay.Spans, archived, text)
		}
		return nil
	})
	text := ask("--archive")
	for _, want := range []string{"600 spans", `"shop"  `, `"root"`, "to halve it: sampler.services.shop: ", "archive: "} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}
