package e2e

import (
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// refusal is how soon an appliance that cannot start must have said so and ended.
const refusal = 15 * time.Second

// TestSecondServe starts a second appliance on a data directory that is in use.
func TestSecondServe(t *testing.T) {
	first := harness.Start(t, harness.Options{})
	second := harness.Launch(t, harness.Options{DataDir: first.DataDir})
	if code := second.ExitCode(t, refusal); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if pid := strconv.Itoa(first.Pid); !regexp.MustCompile(`\b` + pid + `\b`).MatchString(second.Output()) {
		t.Errorf("refusal does not name pid %s of the first:\n%s", pid, second.Output())
	}
	harness.MustContain(t, second.Output(), first.DataDir)
	if err := first.Ready(); err != nil {
		t.Errorf("the first was disturbed: %v", err)
	}
}

// TestTakenPort starts an appliance whose port somebody else has.
func TestTakenPort(t *testing.T) {
	for _, key := range []string{"APPLIANCE_RECEIVER_LISTEN", "APPLIANCE_HTTP_LISTEN"} {
		t.Run(key, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			taken := l.Addr().String()
			a := harness.Launch(t, harness.Options{Env: map[string]string{key: taken}})
			if code := a.ExitCode(t, refusal); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			harness.MustContain(t, a.Output(), taken)
			harness.MustContain(t, a.Output(), "in use", "taken")
		})
	}
}

// TestUnwritableDirectory gives the appliance a data directory that cannot be one.
func TestUnwritableDirectory(t *testing.T) {
	file := writeFile(t, "file", "no directory")
	a := harness.Launch(t, harness.Options{DataDir: file + "/data"})
	if code := a.ExitCode(t, refusal); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	harness.MustContain(t, a.Output(), file)
}

// TestBadConfiguration gives the appliance files and variables with mistakes:
// exit code 2, and the place is named.
func TestBadConfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		file  string
		env   map[string]string
		place []string // each must be in the message
	}{
		"unknown key":     {file: "receiver:\n  lisen: \":4318\"\n", place: []string{"2:3", "lisen"}},
		"unknown section": {file: "log: {level: info}\nreciever: {}\n", place: []string{"2:1", "reciever"}},
		"wrong type":      {file: "sampler:\n  probability: often\n", place: []string{"2:16", "probability"}},
		"out of bounds":   {file: "sampler: {probability: 1.5}\n", place: []string{"probability", "1.5"}},
		"no yaml":         {file: "sampler: {probability: 1\n", place: []string{"1:"}},
		"bad variable":    {env: map[string]string{"APPLIANCE_SAMPLER_PROBABILITY": "often"}, place: []string{"APPLIANCE_SAMPLER_PROBABILITY", "often"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := harness.Options{Env: c.env}
			if c.file != "" {
				o.Args = []string{"--config", writeFile(t, "appliance.yaml", c.file)}
			}
			a := harness.Launch(t, o)
			if code := a.ExitCode(t, refusal); code != 2 {
				t.Errorf("exit code %d, want 2", code)
			}
			for _, p := range c.place {
				harness.MustContain(t, a.Output(), p)
			}
			if lines := strings.Count(strings.TrimSpace(a.Output()), "\n"); lines > 10 {
				t.Errorf("a mistake is explained in %d lines:\n%s", lines, a.Output())
			}
		})
	}
}
