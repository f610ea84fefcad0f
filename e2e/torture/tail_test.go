package torture

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/e2e/internal/oracle"
)

// tailing is an appliance with tail sampling, again and again on one directory.
type tailing struct {
	*oracle.Tail
	dir, file string
	env       map[string]string
	a         *harness.Appliance
}

func newTailing(t *testing.T, dir string, textBytes int) *tailing {
	t.Helper()
	return &tailing{Tail: oracle.NewTail(t, textBytes), dir: dir, file: filepath.Join(t.TempDir(), "appliance.yaml"), env: map[string]string{}}
}

// write writes the configuration. All verdicts are remembered as long as the test
// lasts, so that the oracle finds each of them.
func (x *tailing) write(t *testing.T, rules oracle.Rules, wait time.Duration) {
	t.Helper()
	x.Rules(rules)
	text := fmt.Sprintf("tail:\n  decision_wait: %s\n  remember: 24h\n  rules: %s\n", wait, rules)
	if err := os.WriteFile(x.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// launch starts it. Rules of before do not decide any more.
func (x *tailing) launch(t *testing.T) {
	t.Helper()
	x.Settled()
	o := quick(t, x.dir, x.env)
	o.Args = []string{"--config", x.file}
	x.a = harness.Launch(t, o)
	x.Target(x.a.IntakeURL())
	takes(t, x.a)
}

// reload has it read its configuration while it runs.
func (x *tailing) reload(t *testing.T) {
	t.Helper()
	x.a.Signal(t, syscall.SIGHUP)
}

// becomes waits until the status is as it is wanted.
func (x *tailing) becomes(t *testing.T, what string, want func(harness.Status) bool) {
	t.Helper()
	harness.Eventually(t, 3*time.Minute, what, func() error {
		s, err := x.a.Status(t.Context())
		if err != nil {
			return err
		}
		if err := s.Ledger.Balanced(); err != nil {
			t.Fatal(err)
		}
		if !want(s) {
			return fmt.Errorf("the account is %+v, tail sampling %+v", s.Ledger, s.Tail)
		}
		return nil
	})
}

// more waits until clients got n more answers with a status.
func (x *tailing) more(t *testing.T, status int, n int64) {
	t.Helper()
	before := x.Counts().Answers[status]
	harness.Eventually(t, 2*time.Minute, fmt.Sprintf("%d answers %d", n, status), func() error {
		if got := x.Counts().Answers[status] - before; got < n {
			return fmt.Errorf("%d so far", got)
		}
		return nil
	})
}

// judge stops the load, waits until everything is decided and proven, and fails
// the test when anything is not as the rules say.
func (x *tailing) judge(t *testing.T) {
	t.Helper()
	x.StopAll()
	drained(t, x.a, 3*time.Minute)
	s, err := x.a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v, err := x.Judge(time.Duration(times(3, 15))*time.Minute, x.dir, s.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	c := x.Counts()
	t.Logf("measured: %s: %d spans of %d sendings answered 200, answers %v: %s", t.Name(), c.Acked, c.Tried, c.Answers, &v)
	if !v.Clean() {
		t.Errorf("not what the rules say: %s: %s", &v, strings.Join(v.Examples, "; "))
	}
	if v.Kept == 0 || v.Kept == v.Traces {
		t.Errorf("%d of %d traces are kept: that says nothing", v.Kept, v.Traces)
	}
	for _, wrong := range c.Wrong {
		t.Errorf("a client got: %s", wrong)
	}
	x.a.Stop(t)
}

// tailWait is shorter than most lives of an appliance here, and longer than some.
const tailWait = time.Second

// TestTailKilled kills the appliance while traces wait for their verdicts and
// while it decides. Every third life begins with other rules, and another third
// takes over other rules while it runs.
func TestTailKilled(t *testing.T) {
	const perDir = 50
	kills := times(6, 200)
	for done := 0; done < kills; done += perDir {
		n := min(perDir, kills-done)
		t.Run("", func(t *testing.T) {
			x := newTailing(t, dataDir(t), 200)
			sets := [2]oracle.Rules{oracle.ErrorsFirst(), oracle.PingsFirst()}
			x.write(t, sets[0], tailWait)
			x.Start(4, 80)
			for i := range n {
				if i%3 == 1 {
					sets[0], sets[1] = sets[1], sets[0]
					x.write(t, sets[0], tailWait)
				}
				x.launch(t)
				x.becomes(t, "the status", func(harness.Status) bool { return true })
				within(t, tailWait)
				if i%3 == 2 {
					sets[0], sets[1] = sets[1], sets[0]
					x.write(t, sets[0], tailWait)
					x.reload(t)
				}
				within(t, []time.Duration{tailWait / 2, 4 * time.Second}[i%2])
				kill(t, x.a)
			}
			x.launch(t)
			t.Logf("measured: %s: %d kills", t.Name(), n)
			x.judge(t)
		})
	}
}

// TestTailPowerCut cuts the power of the disk of everything while traces wait for
// their verdicts, and while it decides.
func TestTailPowerCut(t *testing.T) {
	const perDisk = 25
	cuts := times(3, 50)
	for done := 0; done < cuts; done += perDisk {
		n := min(perDisk, cuts-done)
		t.Run("", func(t *testing.T) {
			d := newDisk(t, diskBytes)
			x := newTailing(t, filepath.Join(d.mount, "data"), 200)
			x.write(t, oracle.ErrorsFirst(), tailWait)
			x.Start(4, 80)
			for i := range n {
				x.launch(t)
				x.Thaw()
				if i%3 == 1 { // verdicts have become blocks
					awaitProof(t, x.a)
				}
				within(t, []time.Duration{tailWait / 2, tailWait / 2, 4 * time.Second}[i%3])
				x.Freeze()
				below := harness.Descendants(t, x.a.Pid)
				d.cut(t)
				x.a.Signal(t, syscall.SIGKILL)
				gone(t, x.a, below)
				d.unmount(t)
				d.mountIt(t)
			}
			x.launch(t)
			x.Thaw()
			t.Logf("measured: %s: %d power cuts", t.Name(), n)
			x.judge(t)
		})
	}
}

// TestTailRules has the rules change while it runs, and be refused: from some
// moment on the new ones decide, also about what came before.
func TestTailRules(t *testing.T) {
	t.Parallel()
	x := newTailing(t, dataDir(t), 200)
	sets := [2]oracle.Rules{oracle.ErrorsFirst(), oracle.PingsFirst()}
	names := [2]string{"errors", "failed"}
	x.write(t, sets[0], tailWait)
	x.launch(t)
	x.Start(4, 80)
	for i := range times(3, 30) {
		x.becomes(t, "the rules decide", func(s harness.Status) bool { return s.Tail.Rules[names[i%2]].Traces > 100 })
		x.write(t, sets[(i+1)%2], tailWait)
		x.reload(t)
		before := int64(-1)
		x.becomes(t, "the other rules decide", func(s harness.Status) bool {
			if before < 0 {
				before = s.Tail.Rules[names[(i+1)%2]].Traces
			}
			return s.Tail.Rules[names[(i+1)%2]].Traces > before
		})
		x.Settled()
		if err := os.WriteFile(x.file, []byte(`tail: {rules: [{name: tree, when: "{ } >> { status = error }", keep: all}]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		x.reload(t)
	}
	harness.Eventually(t, time.Minute, "the refusal", func() error {
		if !strings.Contains(x.a.Output(), "configuration not taken over") {
			return errors.New("the log does not say that the rules were refused")
		}
		return nil
	})
	x.judge(t)
}
