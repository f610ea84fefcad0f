package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
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
	u, err := url.Parse(rawURL)
	if err != nil {
		// The error of Parse repeats the URL, and a secret that was put there by mistake.
		return nil, errors.New("open store: the URL cannot be read; write file:///path or s3://bucket/prefix?endpoint=host:port")
	}
	switch u.Scheme {
	case "":
		return openDirURL(u, rawURL, o)
	case "file":
		return openDirURL(u, u.Path, o)
	case "s3":
		at, err := parseS3(u)
		if err != nil {
			return nil, fmt.Errorf("open store %s: %w", bare(u), err)
		}
		s, err := openS3(ctx, at, o)
		if err != nil {
			return nil, fmt.Errorf("open store %s: %w", at, err)
		}
		return s, nil
	}
	return nil, fmt.Errorf("open store %s: there are file:// and s3://, not %s://", bare(u), u.Scheme)
}

// bare is a URL as far as it cannot contain a secret, whatever was put there by mistake.
func bare(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func openDirURL(u *url.URL, dir string, o Options) (Store, error) {
	switch {
	case u.Host != "":
		return nil, fmt.Errorf("open store %s: %q stands where a host would; write file:///path", bare(u), u.Host)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("open store %s: a directory takes no parameters", bare(u))
	case dir == "":
		return nil, errors.New("open store: no path; write file:///path")
	}
	return openDir(dir, o)
}

// ReadFile reads a whole object of at most limit bytes, one version of it, also
// while it is being replaced.
func ReadFile(ctx context.Context, s Store, name string, limit int64) ([]byte, error) {
	for {
		data, err := readOnce(ctx, s, name, limit)
		if !errors.Is(err, ErrReplaced) {
			return data, err
		}
	}
}

func readOnce(ctx context.Context, s Store, name string, limit int64) ([]byte, error) {
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
