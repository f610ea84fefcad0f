package receiver

import (
	"io"
	"net/http"
	"time"
)

// How long a refused body is read on, also while we are stopping.
const (
	lingerTime     = 5 * time.Second
	lingerStopping = 500 * time.Millisecond
)

// linger reads the body of a request that was refused, for nothing. Most clients
// look for an answer only when they have sent everything, and closing on one that
// still sends would take the answer from it: it would see a reset, and send all
// of it again. The client is told that nothing follows the answer.
func (r *Receiver) linger(c *conn, w http.ResponseWriter, req *http.Request) {
	most := lingerTime
	if r.draining.Load() {
		most = lingerStopping
	}
	_ = c.SetReadDeadline(time.Now().Add(most))
	if http.NewResponseController(w).Flush() != nil || c.CloseWrite() != nil {
		return
	}
	_, _ = io.Copy(io.Discard, req.Body) // until its end, that of the connection, or the deadline
}
