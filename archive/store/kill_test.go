package store_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"appliance/archive/store"
)

// TestMain is also the process that the next test kills.
func TestMain(m *testing.M) {
	dir := os.Getenv("STORE_TO_FILL")
	if dir == "" {
		os.Exit(m.Run())
	}
	fmt.Println(fillStore(context.Background(), dir))
	os.Exit(1)
}

const killSize = 2<<20 + 77

func killContent(i int) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("%07d\n", i)), killSize/8+1)[:killSize]
}

// fillStore puts objects without end and says which are there.
func fillStore(ctx context.Context, dir string) error {
	s, err := store.Open(ctx, dir, store.Options{Create: true})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		name := fmt.Sprintf("t/%d/data", i)
		if _, err := s.Put(ctx, name, bytes.NewReader(killContent(i)), killSize); err != nil {
			return err
		}
		if _, err := fmt.Println(name); err != nil {
			return err
		}
	}
}

// After kill -9 at any moment, what was confirmed is there and whole, and so is
// whatever else can be seen.
func TestKilledWhilePutting(t *testing.T) {
	staged := 0
	// On a fast disk a Put is short beside what comes between two, so it may
	// take more rounds until a kill hits one.
	for round := 0; round < 12 || staged == 0 && round < 200; round++ {
		dir := filepath.Join(t.TempDir(), "store")
		confirmed := fillAndKill(t, dir, time.Duration(5+rand.IntN(60))*time.Millisecond)
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "@staging-") {
				staged++
			}
		}
		s := openDir(t, dir)
		visible := map[string]bool{}
		for e, err := range s.List(t.Context(), "t") {
			if err != nil {
				t.Fatal(err)
			}
			name := "t/" + e.Name + "/data"
			if len(state(t, s, name)) == len("(missing)") {
				continue // a directory that was made for it
			}
			visible[name] = true
			var i int
			if _, err := fmt.Sscanf(e.Name, "%d", &i); err != nil || state(t, s, name) != string(killContent(i)) {
				t.Errorf("round %d: %s is not whole", round, name)
			}
		}
		for _, name := range confirmed {
			if !visible[name] {
				t.Errorf("round %d: %s was confirmed and is missing", round, name)
			}
		}
		swept(t, s)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	if staged == 0 {
		t.Error("no kill came in the middle of a Put")
	}
}

// fillAndKill returns the names that the process confirmed before it was killed.
func fillAndKill(t *testing.T, dir string, after time.Duration) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TO_FILL="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	confirmed := []string{strings.TrimSpace(line)}
	if err != nil || confirmed[0] != "t/0/data" {
		t.Fatalf("the process said %q, %v", line, err)
	}
	time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	all := strings.SplitAfter(string(rest), "\n")
	for _, line := range all[:len(all)-1] { // the last one is empty or cut
		confirmed = append(confirmed, strings.TrimSpace(line))
	}
	return confirmed
}
