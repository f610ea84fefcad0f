package forwarder

import (
	"log/slog"
	"sync"
	"time"
)

const sayEvery = time.Minute

// rarely logs a message at most once a minute: what troubles a shipment often
// troubles the next ones too, and what cannot be done is tried again each
// second. Stats has the last error and how many there were.
type rarely struct {
	logger *slog.Logger

	mu   sync.Mutex
	said map[string]time.Time // by message, which is a constant
}

func (r *rarely) Error(msg string, args ...any) {
	if r.due(msg) {
		r.logger.Error(msg, args...)
	}
}

func (r *rarely) Warn(msg string, args ...any) {
	if r.due(msg) {
		r.logger.Warn(msg, args...)
	}
}

func (r *rarely) due(msg string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.said[msg]; ok && time.Since(last) < sayEvery {
		return false
	}
	if r.said == nil {
		r.said = map[string]time.Time{}
	}
	r.said[msg] = time.Now()
	return true
}
