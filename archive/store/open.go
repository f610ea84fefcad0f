package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
)

// Options are the same for every kind of store.
type Options struct {
	// BytesPerSecond bounds Put and Object.WriteTo, all calls together; 0 means no bound.
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
//
// What is wrong with the URL itself is ErrURL.
func Open(ctx context.Context, rawURL string, o Options) (Store, error) {
	at, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if at.dir != "" {
		return openDir(at.dir, o)
	}
	s, err := openS3(ctx, at.s3, o)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", at.s3, err)
	}
	return s, nil
}

// ErrURL says that a URL is of no store, whatever answers there.
var ErrURL = errors.New("no URL of a store")

// CheckURL is ErrURL, with what to write instead, unless Open takes the URL.
func CheckURL(rawURL string) error {
	_, err := parseURL(rawURL)
	return err
}

// urlError is ErrURL and says only what is wrong.
type urlError struct{ error }

func (urlError) Is(target error) bool { return target == ErrURL }

// location is what a URL says: a directory, or else a place in a bucket.
type location struct {
	dir string
	s3  s3Location
}

func parseURL(rawURL string) (at location, err error) {
	if isPath(rawURL) {
		return location{dir: rawURL}, nil
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		// The error of Parse repeats the URL, and a secret that was put there by mistake.
		return at, urlError{errors.New("the URL cannot be read; write file:///path or s3://bucket/prefix?endpoint=host:port")}
	}
	switch u.Scheme {
	case "file":
		at.dir, err = dirOf(u)
	case "s3":
		at.s3, err = parseS3(u)
	case "":
		err = errors.New("no path; write file:///path")
	default:
		err = fmt.Errorf("there are file:// and s3://, not %s://", u.Scheme)
	}
	if err != nil {
		return at, urlError{fmt.Errorf("%q: %w", bare(u), err)}
	}
	return at, nil
}

// bare is a URL as far as it cannot contain a secret, whatever was put there by mistake.
func bare(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// isPath tells a path from a URL, which begins with a scheme. What is special
// in a URL is part of a path's names.
func isPath(s string) bool {
	i := strings.IndexAny(s, ":/")
	return s != "" && (i < 0 || s[i] == '/')
}

// dirOf is the directory that a file URL names.
func dirOf(u *url.URL) (string, error) {
	switch {
	case u.Host != "":
		return "", fmt.Errorf("%q stands where a host would; write file:///path", u.Host)
	case u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("a directory takes no parameters")
	case u.Path == "":
		return "", errors.New("no path; write file:///path")
	}
	return u.Path, nil
}

// An Opener opens objects, as a Store does.
type Opener interface {
	Open(ctx context.Context, name string) (Object, error)
}

// readAttempts is how often an object is opened again that is replaced while it
// is read. Whoever replaces one as often is not at work, but a server at fault.
const readAttempts = 100

// ReadFile reads a whole object of at most limit bytes, one version of it, also
// while it is being replaced.
func ReadFile(ctx context.Context, s Opener, name string, limit int64) ([]byte, error) {
	for range readAttempts {
		data, err := readOnce(ctx, s, name, limit)
		if !errors.Is(err, ErrReplaced) {
			return data, err
		}
	}
	return nil, fmt.Errorf("read %s: %w each of %d times; the server may answer with wrong ETags", name, ErrReplaced, readAttempts)
}

func readOnce(ctx context.Context, s Opener, name string, limit int64) ([]byte, error) {
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
