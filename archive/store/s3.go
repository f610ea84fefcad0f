package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// s3Store keeps objects under their names in a bucket, below a prefix.
type s3Store struct {
	core      *minio.Core
	transport *http.Transport
	end       context.CancelFunc // ends the requests that have no context
	endless   *lifelong          // makes them
	at        s3Location
	limit     *limit
	logger    *slog.Logger
	attempts  uint          // of one request
	backoff   time.Duration // before the second attempt; it grows from there
	stall     time.Duration // without progress, after which an attempt is given up
	partSize  int64         // of the parts of large objects, at least
	// idle is how long an upload of another process must have stood still before we
	// go on with it. Should that process live after all, the ETags by which completing
	// names the parts keep the two from mixing.
	idle time.Duration

	unconditional atomic.Bool // the server cannot create conditionally
	asked         sync.Once   // whether it does
	unmatched     atomic.Bool // the server does not find its own ETags equal

	mu sync.Mutex
	// uploads that calls of this process left unfinished: key to upload id
	interrupted map[string]string
}

// openS3 connects and looks into the bucket.
func openS3(ctx context.Context, at s3Location, o Options) (*s3Store, error) {
	keys := credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}})
	if value, err := keys.GetWithContext(nil); err != nil || value.AccessKeyID == "" {
		return nil, errors.New("no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write a credentials file and name it in AWS_SHARED_CREDENTIALS_FILE")
	}
	lookup := minio.BucketLookupAuto
	switch at.pathStyle {
	case "true":
		lookup = minio.BucketLookupPath
	case "false":
		lookup = minio.BucketLookupDNS
	}
	life, end := context.WithCancel(context.Background())
	transport := newTransport()
	endless := &lifelong{life, 2 * time.Minute, transport}
	core, err := minio.NewCore(at.endpoint, &minio.Options{
		Creds:        keys,
		Secure:       !at.insecure,
		Region:       at.region,
		BucketLookup: lookup,
		MaxRetries:   1, // ours know which errors pass, and what an answer that was lost means
		Transport:    endless,
	})
	if err != nil {
		end()
		return nil, err
	}
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s := &s3Store{
		core: core, transport: transport, end: end, endless: endless, at: at, limit: newLimit(o.BytesPerSecond), logger: logger,
		attempts: 6, backoff: 100 * time.Millisecond, stall: time.Minute, partSize: 8 << 20, idle: time.Minute,
		interrupted: map[string]string{},
	}
	for _, err := range s.List(ctx, ".") {
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		break
	}
	return s, nil
}

func (s *s3Store) URL() string { return s.at.String() }

func (s *s3Store) Close() error {
	s.end()
	s.transport.CloseIdleConnections()
	return nil
}

func (s *s3Store) key(name string) string { return s.at.prefix + name }

// fail says what could not be done to which object.
func (s *s3Store) fail(verb, name string, err error) error {
	return fmt.Errorf("%s %s in s3://%s/%s at %s: %w", verb, name, s.at.bucket, s.at.prefix, s.at.endpoint, err)
}

func (s *s3Store) Delete(ctx context.Context, name string) error {
	if err := errors.Join(ctx.Err(), checkName(name)); err != nil {
		return err
	}
	err := s.try(ctx, func(ctx context.Context, _ *progress) error {
		return s.core.RemoveObject(ctx, s.at.bucket, s.key(name), minio.RemoveObjectOptions{})
	})
	if err != nil && !errors.Is(err, ErrNotExist) {
		return s.fail("delete", name, err)
	}
	return nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		ExpectContinueTimeout: 10 * time.Second,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       time.Minute,
		DisableCompression:    true, // an object that is gzip must arrive as it is
	}
}

// lifelong ends the requests that the library makes without a context: with the
// store, and after a time in which an attempt was given up long ago.
type lifelong struct {
	life    context.Context
	longest time.Duration // of a request, until its answer is read
	http.RoundTripper
}

func (l *lifelong) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Context().Done() != nil {
		return l.RoundTripper.RoundTrip(req)
	}
	ctx, end := context.WithTimeout(l.life, l.longest)
	answer, err := l.RoundTripper.RoundTrip(req.WithContext(ctx))
	if err != nil {
		end()
		return nil, err
	}
	answer.Body = endingBody{answer.Body, end}
	return answer, nil
}

// endingBody ends the context of its request when it is closed.
type endingBody struct {
	io.ReadCloser
	end context.CancelFunc
}

func (b endingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
