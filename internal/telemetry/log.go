package telemetry

import (
	"io"
	"log/slog"
	"os"

	"github.com/mattn/go-isatty"
)

// NewLogger writes to w at a level (debug, info, warn, error) in a format:
// text, json, or auto, which is text where w is a terminal. It also says which
// of the two it is.
func NewLogger(w io.Writer, level, format string) (logger *slog.Logger, text bool) {
	var l slog.Level
	_ = l.UnmarshalText([]byte(level)) // validated with the configuration; info otherwise
	options := &slog.HandlerOptions{Level: l, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if err, ok := a.Value.Any().(error); ok {
			a.Value = slog.StringValue(err.Error())
		}
		return a
	}}
	switch {
	case format == "text":
		text = true
	case format == "auto":
		f, ok := w.(*os.File)
		text = ok && isatty.IsTerminal(f.Fd())
	}
	if !text {
		return slog.New(slog.NewJSONHandler(w, options)), false
	}
	inner := options.ReplaceAttr
	options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.String(slog.TimeKey, a.Value.Time().Format("15:04:05.000"))
		}
		return inner(groups, a)
	}
	return slog.New(slog.NewTextHandler(w, options)), true
}
