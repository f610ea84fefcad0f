package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Options are the same for every kind of store.
type Options struct {
	// BytesPerSecond bounds Put and Object.WriteTo, all calls together; 0 is no bound.
	BytesPerSecond int64
	// Create makes the directory of a file store when it is missing, and checks
	// that it can be written. A bucket is never made.
	Create bool
	// Logger hears of retries; nil is silence.
	Logger *slog.Logger
}

// Open opens the store at rawURL and checks that it answers:
//
//	file:///path, or a path
//	s3://bucket/prefix?endpoint=host:port&region=NAME&insecure=true&path_style=true
//
// Without endpoint it is that of AWS; insecure means HTTP without TLS. Credentials come
// from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or from the file
// that AWS_SHARED_CREDENTIALS_FILE names (~/.aws/credentials) with its AWS_PROFILE;
// never from the URL.
func Open(ctx context.Context, rawURL string, o Options) (Store, error) {
	return nil, errors.ErrUnsupported
}

// ReadFile reads a whole object of at most limit bytes.
func ReadFile(ctx context.Context, s Store, name string, limit int64) ([]byte, error) {
	o, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if o.Size() > limit {
		return nil, fmt.Errorf("read %s: %d bytes, more than the limit of %d", name, o.Size(), limit)
	}
	data := make([]byte, o.Size())
	if n, err := o.ReadAt(data, 0); n < len(data) {
		return nil, fmt.Errorf("read %s: got %d of %d bytes: %w", name, n, len(data), noEOF(err))
	}
	return data, nil
}

// noEOF makes an end of file that comes too early an error.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
