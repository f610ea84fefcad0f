package readapi

import (
	"net/http"
	"time"
)

const (
	// stall is how long a client may take for each steadyBytes of its answer. One
	// that does not read loses its connection.
	stall       = time.Minute
	steadyBytes = 1 << 20
)

// steadyWriter has a write deadline that moves on with what the client takes.
// There is none between writes, however long an answer pauses.
type steadyWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Steadily serves with a deadline for each part of an answer, which begins when the
// part is written: whoever does not read for a minute loses the connection, and
// what its answer holds is given back. An answer may take as long as it takes.
func Steadily(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		steady := newSteadyWriter(w)
		defer steady.allow() // for what is still buffered then
		next.ServeHTTP(steady, r)
	})
}

func newSteadyWriter(w http.ResponseWriter) *steadyWriter {
	return &steadyWriter{w, http.NewResponseController(w)}
}

// Write writes in parts, each with a deadline of its own.
func (s *steadyWriter) Write(p []byte) (n int, err error) {
	defer s.pause()
	for {
		part := p[n:min(n+steadyBytes, len(p))]
		s.allow()
		written, err := s.ResponseWriter.Write(part)
		if n += written; err != nil || n == len(p) {
			return n, err
		}
	}
}

// Flush is there for gRPC, which asks for it by its type.
func (s *steadyWriter) Flush() { _ = s.FlushError() }

// FlushError sends what is buffered.
func (s *steadyWriter) FlushError() error {
	defer s.pause()
	s.allow()
	return s.control.Flush()
}

// allow begins a deadline. A recorder of tests has none.
func (s *steadyWriter) allow() { _ = s.control.SetWriteDeadline(time.Now().Add(stall)) }

func (s *steadyWriter) pause() { _ = s.control.SetWriteDeadline(time.Time{}) }

// Unwrap is for http.ResponseController.
func (s *steadyWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }
