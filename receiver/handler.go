package receiver

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

// ServeHTTP answers one request.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if c, early := r.serve(w, req); early {
		r.linger(c, w, req)
	}
}

// serve answers one request. early: it is answered, and its body still to come.
func (r *Receiver) serve(w http.ResponseWriter, req *http.Request) (c *conn, early bool) {
	r.ledger.inflight.Add(1)
	defer r.ledger.inflight.Add(-1)
	c = connOf(req)
	if c != nil {
		c.answered.Add(1)
	}
	// The preface of HTTP/2, broken, is a request of HTTP/1 to net/http.
	if req.ProtoMajor == 2 && req.Method != "PRI" {
		r.serveGRPC(w, req, c)
		return c, false
	}
	if c != nil && req.ContentLength != 0 {
		// net/http lifts it when the body has been read. It fails only on a
		// closed connection.
		_ = c.SetReadDeadline(time.Now().Add(r.cfg.ReadTimeout))
	}
	if r.cors(w, req) && !misframed(c) {
		r.ledger.answered(http.StatusNoContent)
		w.WriteHeader(http.StatusNoContent)
		return c, false
	}
	e := encodingOf(req.Header)
	res, err := r.answer(req, c, e)
	if err == nil {
		r.ledger.answered(http.StatusOK)
		res.send(w, e)
		return c, false
	}
	f := asRefusal(err)
	r.refused(req, f)
	if early = f.hangUp && c != nil && req.ContentLength != 0 && f != errFraming && f != errSlowBody; early {
		_ = http.NewResponseController(w).EnableFullDuplex() // or net/http would read first
	}
	f.send(w, e)
	return c, early
}

// refused enters a refusal in log and ledger, before it is sent.
func (r *Receiver) refused(req *http.Request, f *refusal) {
	r.logRefusal(req, f)
	r.ledger.answered(f.code)
}

// answer works on one request up to its fate. Its errors are refusals.
func (r *Receiver) answer(req *http.Request, c *conn, e encoding) (result, error) {
	tenant, err := r.admit(req, c, e)
	if err != nil {
		return result{}, err
	}
	return r.work(func(j *job) (result, error) {
		body, err := j.read(req)
		if err != nil {
			return result{}, err
		}
		ctx := req.Context()
		if body, err = j.decompress(ctx, compressionOf(req.Header), body); err != nil {
			return result{}, err
		}
		if e == jsonText {
			if body, err = j.fromJSON(ctx, body); err != nil {
				return result{}, err
			}
		}
		return j.keep(ctx, tenant, body)
	})
}

// work has do work on a job, whose buffers are given back whatever happens.
func (r *Receiver) work(do func(*job) (result, error)) (res result, err error) {
	j := r.jobs.Get().(*job)
	defer func() {
		if p := recover(); p != nil {
			j.loan.forget()
			res, err = result{}, r.panicked(p)
			return
		}
		j.reset()
		r.jobs.Put(j)
	}()
	return do(j)
}

// admit refuses what can be refused before the body is read.
func (r *Receiver) admit(req *http.Request, c *conn, e encoding) (tenant string, err error) {
	switch {
	case misframed(c):
		return "", errFraming
	case req.ProtoMajor != 1:
		return "", errVersion
	case c != nil && c.grpc:
		return "", r.errHTTPHere()
	case r.draining.Load():
		return "", errDraining
	case !isTraces(req.URL):
		return "", errPathOf(req.URL.Path)
	case req.Method != http.MethodPost:
		return "", errMethod
	case !r.authorized(req.Header):
		return "", errUnauthorized
	}
	if tenant, err = r.tenant(req.Header); err != nil {
		return "", err
	}
	switch {
	case e == unknownEncoding:
		return "", errContentType
	case compressionOf(req.Header) == unsupportedCompression:
		return "", errCompression
	case req.ContentLength > int64(r.cfg.MaxBodyBytes):
		return "", errTooLarge("body", r.cfg.MaxBodyBytes)
	}
	return tenant, r.admitNow(req)
}

// misframed says that nobody knows for sure where the request ends.
func misframed(c *conn) bool { return c != nil && c.framing.refuses(c.answered.Load()) }

// admitNow refuses a request that could be taken at another time.
func (r *Receiver) admitNow(req *http.Request) error {
	if r.quota != nil {
		if wait := r.quota.take(req.RemoteAddr); wait > 0 {
			return errQuota(wait)
		}
	}
	if err := r.sink.Ready(); err != nil {
		return notKept(err)
	}
	return nil
}

func (r *Receiver) panicked(p any) error {
	r.ledger.panics.Add(1)
	if r.log.wants(eventPanic, slog.LevelError) {
		r.log.write(eventPanic, slog.LevelError, "recovered from a panic while working on a request",
			slog.String("panic", printable(fmt.Sprint(p))), slog.String("stack", string(debug.Stack())))
	}
	return errPanic
}

func (r *Receiver) logRefusal(req *http.Request, f *refusal) {
	event := eventRefused + statusIndex(f.code)
	if !r.log.wants(event, slog.LevelWarn) {
		return
	}
	attrs := []slog.Attr{
		slog.Int("status", f.code),
		slog.String("reason", f.message),
		slog.String("client", req.RemoteAddr),
		slog.String("method", printable(req.Method)),
		slog.String("path", printable(req.URL.Path)),
		slog.String("user_agent", printable(req.UserAgent())),
	}
	if f.cause != nil {
		attrs = append(attrs, slog.String("err", printable(f.cause.Error())))
	}
	r.log.write(event, slog.LevelWarn, "refused a request", attrs...)
}
