package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// A progress is told of each step of one attempt, so that one which stands still
// can be told from one which is slow.
type progress struct {
	timer *time.Timer
	stall time.Duration
}

func (p *progress) step() { p.timer.Reset(p.stall) }

// reader notes each read of r as a step.
func (p *progress) reader(r io.Reader) io.Reader { return &steppingReader{p, r} }

type steppingReader struct {
	progress *progress
	r        io.Reader
}

func (r *steppingReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.progress.step()
	return n, err
}

// try calls do until it succeeds, fails for good, or the attempts are used up.
// The error is classified, see s3Error.
func (s *s3Store) try(ctx context.Context, do func(context.Context, *progress) error) error {
	policy := backoff.NewExponentialBackOff()
	policy.InitialInterval = s.backoff
	policy.Multiplier = 2
	tries := 0
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		tries++
		err := s.once(ctx, do)
		if err != nil && !passing(err) {
			return struct{}{}, backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(policy), backoff.WithMaxTries(s.attempts), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, wait time.Duration) {
			s.logger.DebugContext(ctx, "retrying a request to the store", "attempt", tries, "wait", wait, "err", err)
		}))
	var permanent *backoff.PermanentError
	if errors.As(err, &permanent) {
		err = permanent.Unwrap()
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && tries > 1 {
		err = fmt.Errorf("after %d attempts: %w", tries, err)
	}
	return s.s3Error(err)
}

// once is one attempt, ended when it makes no progress.
func (s *s3Store) once(ctx context.Context, do func(context.Context, *progress) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := stalledError{s.stall}
	timer := time.AfterFunc(s.stall, func() { cancel(stalled) })
	defer timer.Stop()
	err := do(ctx, &progress{timer, s.stall})
	if err != nil && context.Cause(ctx) == stalled {
		return stalled
	}
	return err
}

type stalledError struct{ after time.Duration }

func (e stalledError) Error() string { return fmt.Sprintf("no progress for %s", e.after) }
