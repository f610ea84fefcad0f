package receiver

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"
	"unicode"

	"golang.org/x/time/rate"
)

// Clients can make most of these happen as often as they like. Refusals have an
// event for each status, so that a scanner's 404s do not hide our own 503s.
const (
	eventTLS = iota
	eventPanic
	eventReload
	eventRefused
	events = eventRefused + len(answeredStatuses)
)

// limitedLog writes a few lines of each event, then one every ten seconds that
// says how many were left out.
type limitedLog struct {
	log    *slog.Logger
	events [events]struct {
		limit   *rate.Limiter
		omitted atomic.Int64
	}
}

func newLimitedLog(log *slog.Logger) *limitedLog {
	l := &limitedLog{log: log}
	for i := range l.events {
		l.events[i].limit = rate.NewLimiter(rate.Every(10*time.Second), 5)
	}
	return l
}

// wants says whether a line would be written now, and counts it if not. Ask
// before making attributes.
func (l *limitedLog) wants(event int, level slog.Level) bool {
	if !l.log.Enabled(context.Background(), level) {
		return false
	}
	e := &l.events[event]
	if e.limit.Allow() {
		return true
	}
	e.omitted.Add(1)
	return false
}

func (l *limitedLog) write(event int, level slog.Level, message string, attrs ...slog.Attr) {
	e := &l.events[event]
	if n := e.omitted.Swap(0); n > 0 {
		attrs = append(attrs, slog.Int64("omitted_lines", n))
	}
	l.log.LogAttrs(context.Background(), level, message, attrs...)
}

const maxPrintable = 200

// printable makes what a client sent fit for logs and messages: control and
// other invisible characters are escaped, and it is cut to a line's length.
func printable(s string) string {
	if len(s) > maxPrintable {
		s = s[:maxPrintable] + "..."
	}
	for _, c := range s {
		if c == unicode.ReplacementChar || !unicode.IsPrint(c) {
			quoted := strconv.Quote(s)
			return quoted[1 : len(quoted)-1]
		}
	}
	return s
}
