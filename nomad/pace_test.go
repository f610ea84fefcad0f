package nomad

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/nomad/api"
)

// atOnce answers every request without a network and without waiting, as a proxy
// with a cache does to a blocking query. It holds those up that come after most.
type atOnce struct {
	body string
	most int64
	n    atomic.Int64
}

func (a *atOnce) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.n.Add(1) > a.most {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"X-Nomad-Index": {"7"}},
		Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r,
	}, nil
}

func (a *atOnce) client(t *testing.T) *api.Client {
	t.Helper()
	c, err := api.NewClient(&api.Config{Address: "http://nomad", HttpClient: &http.Client{Transport: a}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A blocking query that is answered at once, with nothing new, is asked again at
// a person's pace.
func TestQueriesThatDoNotBlock(t *testing.T) {
	const seconds = 20
	for name, c := range map[string]struct {
		body string
		run  func(context.Context, *api.Client) error
	}{
		"discovery": {`[{"ID": "a", "Address": "10.0.0.1", "Port": 80}]`, func(ctx context.Context, client *api.Client) error {
			return Discover(client, "tempo", slog.New(slog.DiscardHandler)).Run(ctx)
		}},
		"evaluation": {`{"ID": "a", "Status": "pending"}`, func(ctx context.Context, client *api.Client) error {
			return NewCluster(client, "default").Follow(ctx, "tempo", "a", func(string) {})
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), seconds*time.Second)
			defer cancel()
			proxy := &atOnce{body: c.body, most: 1000}
			if err := c.run(ctx, proxy.client(t)); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
			if n := proxy.n.Load(); n < 2 || n > 3*seconds {
				t.Errorf("%s: asked %d times in %d s", name, n, seconds)
			}
		})
	}
}

// refusedFence is a lock that everybody gets and nobody may read.
type refusedFence struct{ acquired atomic.Int64 }

func (l *refusedFence) Acquire(context.Context) error { l.acquired.Add(1); return nil }
func (l *refusedFence) Fence(ctx context.Context) (uint64, error) {
	if l.acquired.Load() > 1000 {
		<-ctx.Done()
	}
	return 0, errors.New("403")
}
func (l *refusedFence) Renew(context.Context) error   { return nil }
func (l *refusedFence) Release(context.Context) error { return nil }

// A lock that is lost as soon as it is acquired is asked for again after a pause.
func TestLockThatIsLostAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLeaser(LeaserOptions{TTL: 12 * time.Second, Logger: slog.New(slog.DiscardHandler)})
		lock := &refusedFence{}
		l.lock = lock
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.Run(ctx, func(context.Context) error { return nil }); err != nil {
			t.Error(err)
		}
		if n := lock.acquired.Load(); n < 2 || n > 60 {
			t.Errorf("acquired %d times in a minute", n)
		}
	})
}
