package receiver

import (
	"context"
	"errors"
	"net/http"

	"appliance/internal/otlpwire"
	"appliance/internal/red"
)

// job is one request being worked on, and what is reused from one to the next.
type job struct {
	r       *Receiver
	loan    loan
	entry   entry
	scratch []byte     // the Sampler's
	tally   *red.Tally // nil but for keep, and where nothing is measured
	visit   func(*otlpwire.Span) otlpwire.Verdict
}

func newJob(r *Receiver) *job {
	j := &job{r: r, loan: loan{memory: r.memory}}
	j.visit = j.sample
	return j
}

func (j *job) sample(s *otlpwire.Span) otlpwire.Verdict {
	v, reason, scratch := j.r.sampler.Sample(s, j.scratch)
	j.scratch = scratch
	j.entry.decisions[reason]++
	if j.tally != nil {
		j.tally.Add(s, v.Keep)
	}
	return v
}

// read returns the body as it was sent. A client has to send to make us hold
// memory: what its Content-Length promises is charged to nobody, and a buffer
// is at most twice as large as what has come.
func (j *job) read(req *http.Request) ([]byte, error) {
	limit := j.r.cfg.MaxBodyBytes
	if req.ContentLength >= 0 {
		limit = int(req.ContentLength) // net/http ends the body there
	}
	b, err := j.loan.readAll(req.Context(), req.Body, nil, limit, true)
	if err != nil {
		return nil, refusedBody(err)
	}
	j.entry.wireBytes = len(b)
	return b, nil
}

// decompress exchanges the body as it was sent for what it stands for.
func (j *job) decompress(ctx context.Context, c compression, wire []byte) (body []byte, err error) {
	limit := j.r.cfg.MaxBodyBytes
	switch c {
	case gzipped:
		body, err = j.r.decompressors.gunzip(ctx, &j.loan, wire, limit)
	case zstandard:
		body, err = j.r.decompressors.unzstd(ctx, &j.loan, wire, limit)
	default:
		return wire, nil
	}
	if err != nil {
		return nil, err
	}
	j.loan.give(wire)
	return body, nil
}

// fromJSON exchanges a body in JSON for one in protobuf.
func (j *job) fromJSON(ctx context.Context, text []byte) ([]byte, error) {
	// protobuf is shorter, but for arrays of empty maps
	dst, err := j.loan.take(ctx, len(text), true)
	if err != nil {
		return nil, err
	}
	body, err := j.r.limits.FromJSON(dst, text)
	if err != nil {
		return nil, refusedRequest(err)
	}
	if err := j.loan.outgrown(ctx, dst, body); err != nil {
		return nil, err
	}
	j.loan.give(text)
	return body, nil
}

// keep samples the spans of body, hands those that stay to the Sink and settles
// the accounts.
func (j *job) keep(ctx context.Context, tenant string, body []byte) (result, error) {
	e := &j.entry
	e.bodyBytes = len(body)
	if j.r.rules != nil {
		var err error
		if body, err = j.applyRules(ctx, body); err != nil {
			return result{}, err
		}
	}
	// th makes spans longer, tiny ones by more
	dst, err := j.loan.take(ctx, len(body)+len(body)/8, true)
	if err != nil {
		return result{}, err
	}
	j.measure(tenant)
	payload, n, err := j.r.limits.Filter(dst, body, j.visit)
	if err != nil {
		return result{}, refusedRequest(err)
	}
	if err := j.chargeTally(ctx); err != nil {
		return result{}, err
	}
	e.spans = n
	var res result
	if n.Invalid > 0 {
		j.countInvalid(body)
		res.reject(n.Invalid, n.InvalidMessage())
	}
	if n.Kept > 0 {
		if n.Unchanged {
			j.loan.give(dst)
		} else if err := j.loan.outgrown(ctx, dst, payload); err != nil {
			return result{}, err
		} else {
			j.loan.give(body)
			payload = j.shrink(ctx, dst, payload)
		}
		err := j.r.sink.Keep(ctx, Batch{Tenant: tenant, Spans: n.Kept, Payload: payload})
		if rejected, ok := errors.AsType[*RejectedError](err); ok {
			e.refused = max(0, min(rejected.Spans, n.Kept))
			res.reject(e.refused, printable(rejected.Reason))
		} else if err != nil {
			return result{}, notKept(err)
		}
		e.keptBytes = len(payload)
	}
	j.r.ledger.add(e)
	j.measured(true)
	return res, nil
}

// applyRules exchanges a body for what the rules leave of it.
func (j *job) applyRules(ctx context.Context, body []byte) ([]byte, error) {
	// what stands for a value may be longer
	dst, err := j.loan.take(ctx, len(body)+len(body)/8, true)
	if err != nil {
		return nil, err
	}
	out, changed, err := j.r.rules.Apply(dst, body, &j.entry.rules, nil)
	if err != nil {
		return nil, refusedRequest(err)
	}
	if !changed {
		j.loan.give(dst)
		return body, nil
	}
	if err := j.loan.outgrown(ctx, dst, out); err != nil {
		return nil, err
	}
	j.loan.give(body)
	return out, nil
}

// shrink moves a payload that needs a fraction of its buffer to a smaller one:
// it may be held much longer than everything before took.
func (j *job) shrink(ctx context.Context, dst, payload []byte) []byte {
	if 4*len(payload) > cap(dst) {
		return payload
	}
	small, err := j.loan.take(ctx, len(payload), false)
	if err != nil {
		return payload
	}
	small = append(small, payload...)
	j.loan.give(dst)
	return small
}

// countInvalid scans once more, which only requests with invalid spans cost.
func (j *job) countInvalid(body []byte) {
	_, _ = j.r.limits.Walk(body, func(s *otlpwire.Span) { // Filter has found body to be well-formed
		if s.Invalid != 0 {
			j.entry.invalid[min(int(s.Invalid), maxInvalid-1)]++
		}
	})
}

func (j *job) reset() {
	j.measured(false)
	j.loan.close()
	j.entry = entry{}
	if cap(j.scratch) > smallestBuffer {
		j.scratch = nil
	}
}
