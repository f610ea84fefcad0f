package e2e

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"appliance/e2e/internal/harness"
)

// TestFilesAsEditorsWriteThem gives `config validate` what editors on Windows,
// web pages and generators make of a configuration.
func TestFilesAsEditorsWriteThem(t *testing.T) {
	const bom = "\xef\xbb\xbf"
	for name, c := range map[string]struct{ text, says string }{
		"byte order mark":     {bom + "sampler:\n  probability: 0.5\n", ""},
		"CRLF":                {"sampler:\r\n  probability: 0.5\r\n", ""},
		"both":                {bom + "sampler:\r\n  probability: 0.5\r\n", ""},
		"a tab behind":        {"sampler:\t\n  probability: 0.5\t# half\n", ""},
		"UTF-16":              {"\xff\xfes\x00a\x00", "save it as UTF-8"},
		"a tab before":        {"sampler:\n\tprobability: 0.5\n", ":2:"},
		"a non-breaking one":  {"sampler:\n\u00a0 probability: 0.5\n", ":2:"},
		"a key twice":         {"log: {level: info}\nlog: {level: warn}\n", ":2:"},
		"megabytes of [":      {strings.Repeat("[", 4<<20), "is it the right file?"},
		"too many [":          {"receiver:\n  tenants: " + strings.Repeat("[", 100_000), ":2:1: too many brackets"},
		"a unit that is none": {"retention: 24\n", "write it like 90s, 24h or 30d"},
		"percent":             {"sampler: {probability: 10%}\n", "is not a number"},
	} {
		path := writeFile(t, "appliance.yaml", c.text)
		out, err := exec.CommandContext(t.Context(), harness.Bin(t), "config", "validate", path).CombinedOutput()
		if (err == nil) != (c.says == "") || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
}

// TestTokensAsEditorsWriteThem has a token file with a byte order mark and
// CRLF: both tokens are good.
func TestTokensAsEditorsWriteThem(t *testing.T) {
	tokens := writeFile(t, "tokens", "\xef\xbb\xbfalpha\r\nbeta\r\n")
	a := harness.Start(t, harness.Options{Env: map[string]string{"APPLIANCE_RECEIVER_AUTH_BEARER_TOKEN_FILE": tokens}})
	for token, want := range map[string]int{"alpha": http.StatusOK, "beta": http.StatusOK, "\u00ef\u00bb\u00bfalpha": http.StatusUnauthorized, "gamma": http.StatusUnauthorized} {
		answer, err := a.Post(t.Context(), bytes.NewReader(goodRequest()), http.Header{"Content-Type": {harness.Protobuf}, "Authorization": {"Bearer " + token}})
		if err != nil || answer.Status != want {
			t.Errorf("token %q: %v, %v, want %d", token, answer, err, want)
		}
	}
}

// TestNothingKeptIsSaid has a variable of the SDKs throw everything away:
// whoever looks for the reason finds it.
func TestNothingKeptIsSaid(t *testing.T) {
	a := harness.Start(t, harness.Options{Env: map[string]string{"OTEL_TRACES_SAMPLER": "always_off"}})
	out, err := exec.CommandContext(t.Context(), harness.Bin(t), "status", "--http-listen", a.Read).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	harness.MustContain(t, string(out), "no trace by default: sampler.probability is 0")
	harness.MustContain(t, a.Output(), "OTEL_TRACES_SAMPLER=always_off")
}

// TestBrokenClocks sends times in milliseconds and microseconds, none at all,
// and such that are no int64: each is found by its id, live and from its block,
// and none of them hides what shares the block with it.
func TestBrokenClocks(t *testing.T) {
	a := harness.Start(t, harness.Options{Env: harness.QuickBlocks()})
	now := time.Now()
	ids := map[string]int{}
	var right string
	for name, start := range map[string]uint64{
		"milliseconds": uint64(now.UnixMilli()), "microseconds": uint64(now.UnixMicro()), "none": 0, "the last int64": 1<<63 - 2, "beyond": 1<<63 + 5, "all bits": 1<<64 - 2,
		"tomorrow": uint64(now.Add(24 * time.Hour).UnixNano()), "right": uint64(now.UnixNano()),
	} {
		trace := randomBytes(16)
		id := hex.EncodeToString(trace)
		ids[id] = 1
		if name == "right" {
			right = id
		}
		span := spanOf(trace, randomBytes(8), name)
		for field, at := range map[protowire.Number]uint64{7: start, 8: start + 1} {
			span = protowire.AppendFixed64(protowire.AppendTag(span, field, protowire.Fixed64Type), at)
		}
		answer, err := a.Post(t.Context(), bytes.NewReader(requestOf(span)), http.Header{"Content-Type": {harness.Protobuf}})
		if err != nil || answer.Status != http.StatusOK {
			t.Fatalf("%s: %v, %v", name, answer, err)
		}
	}
	found := func() {
		t.Helper()
		a.MustFind(t, ids)
		harness.Eventually(t, time.Minute, "a search around now", func() error {
			got, err := a.Matched(t.Context(), `{ name = "right" }`, 10, 10, now.Add(-time.Minute), now.Add(time.Minute))
			if err == nil && got[right] != 1 {
				err = fmt.Errorf("it finds %v", got)
			}
			return err
		})
	}
	found()
	harness.Eventually(t, 2*time.Minute, "all in blocks, and these archived", func() error {
		s, err := a.Status(t.Context())
		if err == nil && (s.Ledger.Pending > 0 || s.Archive.ArchivedBlocks == 0 || s.Archive.PendingBlocks > 0) {
			err = fmt.Errorf("%d spans pending, %d blocks archived", s.Ledger.Pending, s.Archive.ArchivedBlocks)
		}
		return err
	})
	found()
	a.Stop(t)
	again := harness.Start(t, harness.Options{DataDir: a.DataDir})
	again.MustFind(t, ids)
}
