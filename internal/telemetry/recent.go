package telemetry

import (
	"bytes"
	"log/slog"
	"sync"
)

// Recent keeps the last lines of a log in memory.
type Recent struct {
	most int

	mu    sync.Mutex
	lines [][]byte
	bytes int
}

// NewRecent makes a Recent of at most so many bytes.
func NewRecent(most int) *Recent { return &Recent{most: most} }

// Write takes one line. It never fails.
func (r *Recent) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, bytes.Clone(line))
	r.bytes += len(line)
	for r.bytes > r.most && len(r.lines) > 0 {
		r.bytes -= len(r.lines[0])
		r.lines = r.lines[1:]
	}
	return len(line), nil
}

// Text is what is kept, the oldest line first.
func (r *Recent) Text() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Join(r.lines, nil)
}

// Into makes a logger that writes to both: what it wrote to before, and as JSON
// to r.
func (r *Recent) Into(logger *slog.Logger, level string) *slog.Logger {
	also, _ := NewLogger(r, level, "json")
	return slog.New(slog.NewMultiHandler(logger.Handler(), also.Handler()))
}
