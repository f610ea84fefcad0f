package store

import (
	"context"
	"io"

	"golang.org/x/time/rate"
)

// A limit bounds the bytes per second of all that share it; nil means no bound.
type limit struct{ bucket *rate.Limiter }

// newLimit allows bursts of a tenth of a second, so that a link is used evenly.
func newLimit(bytesPerSecond int64) *limit {
	if bytesPerSecond <= 0 {
		return nil
	}
	burst := max(bytesPerSecond/10, 4<<10)
	return &limit{rate.NewLimiter(rate.Limit(bytesPerSecond), int(burst))}
}

// wait returns when n more bytes are due, or ctx has ended.
func (l *limit) wait(ctx context.Context, n int) error {
	if l == nil {
		return ctx.Err()
	}
	for n > 0 {
		step := min(n, l.bucket.Burst())
		if err := l.bucket.WaitN(ctx, step); err != nil {
			// WaitN refuses at once where the deadline of ctx comes before the bytes are due.
			if ctx.Err() == nil {
				return context.DeadlineExceeded
			}
			return ctx.Err()
		}
		n -= step
	}
	return ctx.Err()
}

// reader reads from r no faster than l, and not once ctx has ended.
func (l *limit) reader(ctx context.Context, r io.Reader) io.Reader {
	return &limitedReader{ctx, l, r}
}

type limitedReader struct {
	ctx   context.Context
	limit *limit
	r     io.Reader
}

func (r *limitedReader) Read(p []byte) (int, error) {
	if r.limit != nil {
		p = p[:min(len(p), r.limit.bucket.Burst())]
	}
	n, err := r.r.Read(p)
	if wait := r.limit.wait(r.ctx, n); wait != nil {
		return n, wait
	}
	return n, err
}
