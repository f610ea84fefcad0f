package nomad

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// tutorialBlocks are blocks that a Tempo 2.7.2 wrote; trace i of theirs has the
// first half of sha256("trace-i") as its id, and three spans.
const tutorialBlocks = "../../archive/read/testdata/single-tenant"

func tutorialTrace(i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "trace-%d", i))
	return hex.EncodeToString(sum[:16])
}

// keepsFor is a retention for which the blocks of these tests are not old.
const keepsFor = "87600h"

// TestKeepTheirBlocks walks the walk of docs/tutorial.md: the tutorial's job is
// taken over, and the blocks that were copied out of its container are put into
// the volume, by its very commands.
func TestKeepTheirBlocks(t *testing.T) {
	name := image(t)
	a := startAgent(t, agentOptions{})
	copied := filepath.Join(a.dir, "tempo-blocks")
	if err := os.CopyFS(filepath.Join(copied, "single-tenant"), os.DirFS(tutorialBlocks)); err != nil {
		t.Fatal(err)
	}
	a.appliance(t, "register", "--image", name, "--write-port", freePort(t), "--read-port", freePort(t), "--grpc-port", freePort(t), "--memory-max", "0",
		"--retention", keepsFor).mustExit(t, 0)
	a.end(t, "tempo")
	volumes, err := filepath.Glob(filepath.Join(a.dir, "d", "*", "host_volumes", "*"))
	if more, _ := filepath.Glob(filepath.Join(a.dir, "d", "host_volumes", "*")); err == nil {
		volumes = append(volumes, more...)
	}
	if len(volumes) != 1 {
		t.Fatalf("the volume is one of %q", volumes)
	}
	commands := strings.NewReplacer("/opt/nomad/data/host_volumes/VOLUME_ID", volumes[0], "/srv/tempo-blocks", copied).Replace(broughtIn(t))
	a.run(t, "/bin/sh", "-c", "PATH="+filepath.Dir(harness.Peer(t, "nomad"))+":$PATH\n"+commands).mustExit(t, 0)
	mustFindTutorial(t, a, 0, 7, 249)
	if moved := names(t, filepath.Join(volumes[0], "blocks", "single-tenant")); !slices.Equal(moved, names(t, tutorialBlocks)) {
		t.Errorf("the store has %q", moved)
	}
}

// broughtIn are the commands of docs/tutorial.md that bring the old traces in. The
// French page has the same.
func broughtIn(t *testing.T) string {
	t.Helper()
	commands := func(page, step string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("../../docs", page))
		if err != nil {
			t.Fatal(err)
		}
		_, section, _ := strings.Cut(string(text), "\n## "+step)
		section, _, _ = strings.Cut(section, "\n## ")
		_, block, _ := strings.Cut(section, "\n```sh\n")
		block, _, _ = strings.Cut(block, "```\n")
		return block
	}
	english := commands("tutorial.md", "Step 5: ")
	for _, stands := range []string{"/opt/nomad/data/host_volumes/VOLUME_ID ", "/srv/tempo-blocks/", "\nnomad job restart"} {
		if !strings.Contains(english, stands) {
			t.Fatalf("step 5 of docs/tutorial.md has no %q:\n%s", stands, english)
		}
	}
	if french := commands("tutorial.fr.md", "Étape 5 : "); french != english {
		t.Errorf("step 5 of docs/tutorial.fr.md is\n%s\nand of docs/tutorial.md\n%s", french, english)
	}
	return english
}

// TestUpgrade starts on the data directory of version 0.1, which had a Tempo
// within: its blocks that were proven are taken over. Of one that was not the
// spans were in the spool, so it is set aside.
func TestUpgrade(t *testing.T) {
	a := startAgent(t, agentOptions{})
	data := filepath.Join(a.dir, "data")
	old := filepath.Join(data, "tempo")
	if err := os.CopyFS(filepath.Join(old, "blocks", "single-tenant"), os.DirFS(tutorialBlocks)); err != nil {
		t.Fatal(err)
	}
	all := names(t, tutorialBlocks)
	proven, unproven := all[1:], all[0]
	seals := filepath.Join(old, "sealed", "single-tenant")
	if err := os.MkdirAll(seals, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, block := range proven {
		if err := os.WriteFile(filepath.Join(seals, block), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	spec := append(rawExec(t, data), "--retention", keepsFor)
	a.appliance(t, append([]string{"register"}, spec...)...).mustExit(t, 0).mustSay(t, "job tempo is healthy")
	a.end(t, "tempo")
	if got := names(t, filepath.Join(data, "blocks", "single-tenant")); !slices.Equal(got, proven) {
		t.Errorf("taken over are %q, want %q", got, proven)
	}
	if got := names(t, filepath.Join(old, "left", "single-tenant")); !slices.Equal(got, []string{unproven}) {
		t.Errorf("set aside are %q, want %s", got, unproven)
	}
	app := a.serving(t)
	found := 0
	harness.Eventually(t, harness.FoundPatience, "the traces of two blocks", func() error {
		found = 0
		for i := range 250 {
			switch n, err := app.SpanCount(t.Context(), tutorialTrace(i)); {
			case err == nil && n == 3:
				found++
			case err == nil:
				return fmt.Errorf("trace %d has %d spans", i, n)
			}
		}
		if found == 0 || found == 250 {
			return fmt.Errorf("%d traces are found", found)
		}
		return nil
	})
	t.Logf("%d of the 250 traces are in the blocks that were proven", found)

	// What was set aside stays so, and what comes later is stored beside the rest.
	request, ids := harness.NewRequest("upgraded", 2, 3)
	if answer, err := app.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("export: %+v, %v", answer, err)
	}
	a.run(t, harness.Peer(t, "nomad"), "job", "restart", "-yes", "tempo").mustExit(t, 0)
	a.serving(t).MustFind(t, map[string]int{ids[0]: 3, ids[1]: 3})
	if got := names(t, filepath.Join(old, "left", "single-tenant")); !slices.Equal(got, []string{unproven}) {
		t.Errorf("set aside are %q after another start, want %s", got, unproven)
	}
}

// mustFindTutorial waits until some of the tutorial's traces are found.
func mustFindTutorial(t *testing.T, a *agent, traces ...int) {
	t.Helper()
	harness.Eventually(t, 2*time.Minute, "traces of the tutorial's Tempo are found", func() error {
		instances, err := a.service("tempo-read")
		if err != nil || len(instances) != 1 {
			return fmt.Errorf("%+v, %v", instances, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for _, i := range traces {
			app := &harness.Appliance{Read: instances[0].addr()}
			if n, err := app.SpanCount(ctx, tutorialTrace(i)); err != nil || n != 3 {
				return fmt.Errorf("trace %d: %d spans, %v", i, n, err)
			}
		}
		return nil
	})
}

// names are those in a directory, in order.
func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
