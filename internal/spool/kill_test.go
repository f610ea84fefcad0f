package spool

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var kills = flag.Int("kills", 50, "how often the writer is killed in TestKillNine")

// TestMain is also the writer that gets killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SPOOL_WRITER_DIR"); dir != "" {
		if err := killedWriter(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

var killOptions = Options{SegmentBytes: 64 << 10, CheckpointEvery: 5 * time.Millisecond}

// killedWriter appends from several goroutines, says on stdout what was
// acknowledged, releases some of it, and goes on until it is killed.
func killedWriter(dir string) error {
	s, err := Open(dir, killOptions)
	if err != nil {
		return err
	}
	start, err := strconv.Atoi(os.Getenv("SPOOL_WRITER_START"))
	if err != nil {
		return err
	}
	var next atomic.Int64
	next.Store(int64(start))
	var all sync.WaitGroup
	var failed atomic.Value
	for range 4 {
		all.Go(func() {
			for {
				n := int(next.Add(1))
				pos, err := s.Append(numbered(n))
				if err != nil {
					failed.Store(err)
					return
				}
				// One write, so that a line is there or not.
				fmt.Printf("acked %d %d %d\n", n, pos.Segment, pos.Offset)
				if n%3 == 0 {
					fmt.Printf("released %d\n", n)
					if err := s.Release(pos); err != nil {
						failed.Store(err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	return failed.Load().(error)
}

// A process that appends is killed with SIGKILL at random times, again and
// again in the same directory: nothing that it had acknowledged is missing.
func TestKillNine(t *testing.T) {
	dir := t.TempDir()
	acked, released := map[int]Position{}, map[int]bool{}
	highest, total := 0, 0
	rng := rand.New(rand.NewPCG(1, 2))
	for kill := range *kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SPOOL_WRITER_DIR="+dir, fmt.Sprintf("SPOOL_WRITER_START=%d", highest))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		// Killed after so many lines, and then some microseconds.
		after, lines := 1+rng.IntN(60), 0
		var once sync.Once
		for in := bufio.NewScanner(out); in.Scan(); lines++ {
			var n int
			var pos Position
			if c, _ := fmt.Sscanf(in.Text(), "acked %d %d %d", &n, &pos.Segment, &pos.Offset); c == 3 {
				acked[n] = pos
				highest = max(highest, n)
				total++
			} else if c, _ := fmt.Sscanf(in.Text(), "released %d", &n); c == 1 {
				released[n] = true
			}
			if lines >= after {
				once.Do(func() {
					time.AfterFunc(time.Duration(rng.IntN(3000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
				})
			}
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
			t.Fatalf("the writer ended by itself: %v", err)
		}
		highest += 10 // numbers that were appended but not acknowledged are not used again
		checkKilled(t, kill, dir, acked, released)
	}
	t.Logf("%d kills, %d records acknowledged", *kills, total)
}

func checkKilled(t *testing.T, kill int, dir string, acked map[int]Position, released map[int]bool) {
	t.Helper()
	s, err := Open(dir, killOptions)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	_, at, err := pass(s)
	must(t, err)
	for n, pos := range acked {
		if at[n] != pos && !released[n] {
			t.Fatalf("kill %d: record %d was acknowledged at %s, and is at %s", kill, n, pos, at[n])
		}
	}
	st := s.Status()
	if st.Lost.Records != 0 || st.UnreadableSegments != 0 {
		t.Fatalf("kill %d: %+v", kill, st)
	}
	// Release most, so that the directory stays small.
	var most []Position
	for n, pos := range at {
		if n%5 != 0 || len(at) > 500 {
			most = append(most, pos)
			released[n] = true
		}
	}
	must(t, s.Release(most...))
}
