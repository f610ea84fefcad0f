package blocks

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/content"
	"appliance/e2e/internal/harness"
)

const (
	tenant = "single-tenant"
	// patience is far above what a call of Tempo's code takes; one that ends
	// never fails its test alone.
	patience = 20 * time.Minute
)

// A storage is a directory of Tempo's local backend, which Tempo's code and ours
// write to and read from.
type storage struct {
	dir string
	bin string // tempo-blocks
}

func newStorage(t testing.TB) *storage {
	t.Helper()
	return &storage{t.TempDir(), harness.Peer(t, "tempo-blocks")}
}

// run runs a command of tempo-blocks on the storage and returns what it prints.
// Flags stand before the arguments.
func (s *storage) run(
	t testing.TB, command string, stdin io.Reader, flags []string, args ...string,
) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	all := append(append([]string{command}, flags...), s.dir, tenant)
	cmd := exec.CommandContext(ctx, s.bin, append(all, args...)...)
	var out, failure bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &failure
	if err := cmd.Run(); err != nil {
		t.Fatalf(
			"tempo-blocks %s: %v\n%s", strings.Join(cmd.Args[1:], " "), err, tail(failure.String()),
		)
	}
	return out.Bytes()
}

// tail is the end of a long text.
func tail(text string) string { return text[max(0, len(text)-4000):] }

// create makes Tempo's block of spans, which have to be tame.
func (s *storage) create(t testing.TB, in *input, flags ...string) string {
	t.Helper()
	return strings.TrimSpace(string(s.run(t, "create", in.stream(), flags, "-")))
}

// compact merges blocks with Tempo's compactor.
func (s *storage) compact(t testing.TB, flags []string, blocks ...string) []string {
	t.Helper()
	return strings.Fields(string(s.run(t, "compact", nil, flags, blocks...)))
}

// dump is all that Tempo reads of a block.
func (s *storage) dump(t testing.TB, block string) *content.Set {
	t.Helper()
	return setOf(t, s.run(t, "dump", nil, nil, block))
}

// find looks traces up by their ids, in Tempo's way.
func (s *storage) find(t testing.TB, block string, ids ...string) *content.Set {
	t.Helper()
	return setOf(t, s.run(t, "find", nil, nil, append([]string{block}, ids...)...))
}

// lines are the answers of a command that prints one a line.
func (s *storage) lines(
	t testing.TB, command string, stdin io.Reader, flags []string, blocks ...string,
) []string {
	t.Helper()
	return strings.Split(
		strings.TrimSpace(string(s.run(t, command, stdin, flags, blocks...))), "\n",
	)
}

func setOf(t testing.TB, stream []byte) *content.Set {
	t.Helper()
	set := content.NewSet()
	if err := content.Stream(
		bytes.NewReader(stream), func(data []byte) error { return add(set, data) },
	); err != nil {
		t.Fatal(err)
	}
	return set
}

func add(set *content.Set, data []byte) error {
	td, err := content.Decode(data)
	if err != nil {
		return err
	}
	return set.Add(td)
}

// mustEqual fails with the first differences of two sets of spans.
func mustEqual(t *testing.T, want, got *content.Set) {
	t.Helper()
	if want.Spans() == 0 {
		t.Fatal("nothing is compared: the set has no span")
	}
	for _, d := range content.Diff(want, got, 5) {
		t.Error(d)
	}
	if t.Failed() {
		t.Fatalf("%d spans are compared with %d", want.Spans(), got.Spans())
	}
}

// mustEqualLines fails with the first lines that differ.
func mustEqualLines(t *testing.T, want, got []string) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%d lines are compared with %d", len(want), len(got))
	}
	shown := 0
	for i := range min(len(want), len(got)) {
		if want[i] == got[i] {
			continue
		}
		at := 0
		for at < min(len(want[i]), len(got[i])) && want[i][at] == got[i][at] {
			at++
		}
		from := max(0, at-120)
		t.Errorf("line %d differs\n%.300s\n  want ...%.400s\n  got  ...%.400s",
			i, want[i], want[i][from:], got[i][from:])
		if shown++; shown == 8 {
			return
		}
	}
}
