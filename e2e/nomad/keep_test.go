package nomad

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// tutorialBlocks are blocks that a Tempo 2.7.2 wrote; trace i of theirs has the first half of sha256("trace-i") as its id, and three spans.
const tutorialBlocks = "../../archive/read/testdata/single-tenant"

// TestKeepTheirBlocks walks the walk of docs/nomad.md: the tutorial's job is taken over, and the blocks that were copied out
// of its container are put into the volume, as its commands do it.
func TestKeepTheirBlocks(t *testing.T) {
	name := image(t)
	a := startAgent(t, agentOptions{})
	copied := filepath.Join(a.dir, "tempo-blocks")
	if err := os.CopyFS(filepath.Join(copied, "single-tenant"), os.DirFS(tutorialBlocks)); err != nil {
		t.Fatal(err)
	}
	spec := []string{"register", "--image", name, "--write-port", freePort(t), "--read-port", freePort(t), "--memory-max", "0",
		"--set", "tempo.retention=87600h"} // the blocks of this test are older than a day
	a.appliance(t, spec...).mustExit(t, 0)
	a.end(t, "tempo")
	volumes, err := filepath.Glob(filepath.Join(a.dir, "d", "*", "host_volumes", "*"))
	if more, _ := filepath.Glob(filepath.Join(a.dir, "d", "host_volumes", "*")); err == nil {
		volumes = append(volumes, more...)
	}
	if len(volumes) != 1 {
		t.Fatalf("the volume is one of %q", volumes)
	}
	script := `set -e
cp -a "$1/single-tenant" "$2/incoming"
chown -R 10001:10001 "$2/incoming"
mkdir -p "$2/blocks/single-tenant" && mv "$2/incoming/"*-*-*-*-* "$2/blocks/single-tenant/"
`
	if out, err := exec.Command("/bin/sh", "-c", script, "sh", copied, filepath.Join(volumes[0], "tempo")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// Tempo looks for blocks at its start and every 5 minutes.
	a.must(t, "POST", "/v1/allocation/"+a.allocations(t, "tempo")[0].ID+"/stop", nil, nil)
	harness.Eventually(t, 2*time.Minute, "a trace of the tutorial's Tempo is found", func() error {
		sum := sha256.Sum256([]byte("trace-7"))
		n, err := a.serving(t).SpanCount(t.Context(), hex.EncodeToString(sum[:16]))
		if err != nil || n != 3 {
			return fmt.Errorf("%d spans, %v", n, err)
		}
		return nil
	})
}
