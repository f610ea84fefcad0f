package tempo

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/go-logfmt/logfmt"
)

// maxLogLine is where a line of Tempo's output is cut, in bytes.
const maxLogLine = 64 << 10

// LiveHeapPrefix begins a line in which the child says how many bytes were alive after its last garbage collection.
const LiveHeapPrefix = "appliance-live-heap="

// relay reads Tempo's output line by line into logger until r ends. seen is called for each parsed line.
// Tempo's info lines become debug lines of ours: at info level a person wants to read about the appliance. So do its
// warnings once ctx is done, when its parts complain that the others are stopping.
func relay(ctx context.Context, r io.Reader, logger *slog.Logger, seen func(msg string, fields map[string]string)) {
	lines := bufio.NewReaderSize(r, maxLogLine)
	for {
		line, err := lines.ReadSlice('\n')
		if text := bytes.TrimRight(line, "\r\n"); len(text) > 0 {
			relayLine(ctx, text, logger, seen)
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

func relayLine(ctx context.Context, line []byte, logger *slog.Logger, seen func(string, map[string]string)) {
	if live, ok := bytes.CutPrefix(line, []byte(LiveHeapPrefix)); ok {
		seen(LiveHeapPrefix, map[string]string{"bytes": string(live)})
		return
	}
	fields := map[string]string{}
	var attrs []slog.Attr
	dec := logfmt.NewDecoder(bytes.NewReader(line))
	for dec.ScanRecord() {
		for dec.ScanKeyval() {
			key, value := string(dec.Key()), string(dec.Value())
			fields[key] = value
			switch key {
			case "level", "ts", "time", "msg", "caller", "source", "component":
			default:
				attrs = append(attrs, slog.String(strings.ToLower(key), value))
			}
		}
	}
	level, known := levels[strings.ToLower(fields["level"])]
	if dec.Err() != nil || !known || fields["msg"] == "" && len(attrs) == 0 {
		logger.LogAttrs(ctx, slog.LevelWarn, "tempo output", slog.String("line", string(line)))
		return
	}
	seen(fields["msg"], fields)
	if level == slog.LevelWarn && (ctx.Err() != nil || harmless[fields["msg"]]) || badQueries[fields["msg"]] {
		level = slog.LevelDebug
	}
	logger.LogAttrs(ctx, level, "tempo: "+fields["msg"], attrs...)
}

var levels = map[string]slog.Level{
	"debug": slog.LevelDebug,
	"info":  slog.LevelDebug,
	"warn":  slog.LevelWarn,
	"error": slog.LevelError,
}

// harmless are warnings that Tempo gives at every start.
var harmless = map[string]bool{
	"unowned file entry ignored during wal replay": true, // its own directory blocks/
}

// badQueries are errors of whoever asked, who is answered 400 with the reason.
var badQueries = map[string]bool{
	"search: parse search request failed":                 true,
	"search: could not create combiner":                   true,
	"search streaming: build search request failed":       true,
	"search streaming: could not create combiner":         true,
	"search tags: build tags request failed":              true,
	"search tag values: build tags values request failed": true,
	"query range: parse search request failed":            true,
	"query range: query range combiner failed":            true,
	"query instant: parse search request failed":          true,
	"query instant: query range combiner failed":          true,
}
