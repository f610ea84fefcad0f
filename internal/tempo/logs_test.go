package tempo

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
)

func TestTempoOutputBecomesLogLinesOfOurs(t *testing.T) {
	long := strings.Repeat("x", maxLogLine+100)
	in := strings.Join([]string{
		`level=info ts=2026-01-01T00:00:00Z caller=x.go:1 msg="module stopped" module=ingester`,
		`level=warn ts=2026-01-01T00:00:00Z caller=x.go:1 msg="careful now" err="a \"b\""`,
		`time=2026-01-01T00:00:00Z level=INFO source=/src/x.go:3 msg="creating WAL" tenant=a`,
		`level=warn msg="unowned file entry ignored during wal replay" file=blocks`,
		`level=error msg="search: could not create combiner" err="1:3: parse error"`,
		`level=error msg="search: parse search request failed" err="invalid limit"`,
		`panic: runtime error: index out of range`,
		"goroutine 1 [running]:",
		"\x1b[31mred",
		long,
		`level=error msg="the last, without newline"`,
	}, "\n")
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	var seen []string
	relay(context.Background(), strings.NewReader(in), logger, func(msg string, f map[string]string) { seen = append(seen, msg+"/"+f["module"]) })

	want := strings.Join([]string{
		`level=DEBUG msg="tempo: module stopped" module=ingester`,
		`level=WARN msg="tempo: careful now" err="a \"b\""`,
		`level=DEBUG msg="tempo: creating WAL" tenant=a`,
		`level=DEBUG msg="tempo: unowned file entry ignored during wal replay" file=blocks`,
		`level=DEBUG msg="tempo: search: could not create combiner" err="1:3: parse error"`,
		`level=DEBUG msg="tempo: search: parse search request failed" err="invalid limit"`,
		`level=WARN msg="tempo output" line="panic: runtime error: index out of range"`,
		`level=WARN msg="tempo output" line="goroutine 1 [running]:"`,
		`level=WARN msg="tempo output" line="\x1b[31mred"`,
		`level=WARN msg="tempo output" line=` + long[:maxLogLine],
		`level=WARN msg="tempo output" line=` + long[maxLogLine:],
		`level=ERROR msg="tempo: the last, without newline"`,
	}, "\n") + "\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if len(seen) == 0 || seen[0] != "module stopped/ingester" {
		t.Errorf("seen %q", seen)
	}
}
