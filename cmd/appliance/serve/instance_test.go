package serve

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// A container has another name after each start. What the archiver remembers
// must be found again nevertheless.
func TestInstanceStaysTheSame(t *testing.T) {
	dir := t.TempDir()
	if got := EmbeddedOrigin(dir); got != "" {
		t.Errorf("before there is an instance its origin is %q", got)
	}
	first, err := instanceID(durable.OS, dir)
	if err != nil || uuid.Validate(first) != nil {
		t.Fatalf("%q, %v", first, err)
	}
	again, err := instanceID(durable.OS, dir)
	if err != nil || again != first {
		t.Errorf("%q, then %q, %v", first, again, err)
	}
	if got := EmbeddedOrigin(dir); got != "appliance://"+first {
		t.Errorf("origin %q of instance %s", got, first)
	}
	other, err := instanceID(durable.OS, t.TempDir())
	if err != nil || other == first {
		t.Errorf("another directory is %q, %v", other, err)
	}
	for _, damage := range []string{"", "not an id\n", first[:20], strings.Repeat("x", instanceBytes+1)} {
		if err := os.WriteFile(filepath.Join(dir, instanceName), []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		next, err := instanceID(durable.OS, dir)
		if err != nil || uuid.Validate(next) != nil {
			t.Errorf("with %.30q there: %q, %v", damage, next, err)
		}
	}
}

// An id that was given out is there after a power cut, whatever the disk does
// with what was not synced.
func TestInstanceSurvivesAPowerCut(t *testing.T) {
	for _, mode := range []crashfs.Mode{crashfs.LoseAll, crashfs.Scramble, crashfs.Garbage} {
		disk := crashfs.New()
		given, err := instanceID(disk, ".")
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := readInstanceID(disk.PowerCut(mode, rand.New(rand.NewPCG(1, 2))), "."); !ok || got != given {
			t.Errorf("mode %v: %q before, %q after", mode, given, got)
		}
	}
}
