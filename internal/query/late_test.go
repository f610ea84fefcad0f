package query

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"
)

// lateTempo answers as told, in a bubble of synctest: after some time its header, and later its body.
type lateTempo struct{ header, body time.Duration }

func (l lateTempo) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := after(r.Context(), l.header); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: -1, Body: &lateBody{r.Context(), l.body}}, nil
}

type lateBody struct {
	ctx  context.Context
	wait time.Duration
}

func (b *lateBody) Read(p []byte) (int, error) {
	if err := after(b.ctx, b.wait); err != nil {
		return 0, err
	}
	return copy(p, `{"traces":[{"traceID":"a"}]}`), io.EOF
}

func (b *lateBody) Close() error { return nil }

func after(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lateArchive takes a time to answer each search.
type lateArchive struct {
	fakeArchive
	wait []time.Duration
}

func (l *lateArchive) Search(ctx context.Context, tenant string, req *tempopb.SearchRequest, skip func(string) bool, progress func(*tempopb.SearchResponse) error) (*tempopb.SearchResponse, []error, error) {
	wait := l.wait[len(l.asked)]
	resp, missing, err := l.fakeArchive.Search(ctx, tenant, req, skip, progress)
	if late := after(ctx, wait); late != nil {
		return nil, nil, late
	}
	return resp, missing, err
}

// Whichever of the two is late, a client has the other's answer within the patience.
func TestAClientWaitsNoLongerThanThePatience(t *testing.T) {
	const never = 24 * time.Hour
	held := func(string) func(string) bool { return func(b string) bool { return b == "1" } }
	for name, c := range map[string]struct {
		tempo   lateTempo
		archive []time.Duration
		want    string
		partial bool
		code    int
	}{
		"both in time":                   {lateTempo{20 * time.Second, 2 * time.Second}, []time.Duration{21 * time.Second}, "a c", false, 200},
		"no header":                      {lateTempo{never, 0}, []time.Duration{0, 2 * time.Second}, "b c", true, 200},
		"no body":                        {lateTempo{0, never}, []time.Duration{0, time.Second}, "c", true, 200},
		"the archive takes all there is": {lateTempo{0, time.Second}, []time.Duration{never}, "a", true, 200},
		"neither":                        {lateTempo{never, 0}, []time.Duration{never}, "", false, 503},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				archive := &lateArchive{wait: c.archive}
				archive.found, archive.blocks = []*tempopb.TraceSearchMetadata{found("b", 2, "shop", 3), found("c", 1, "shop", 1)}, []string{"1", "2"}
				h := New(Options{
					Backend: func() (Backend, error) { return Backend{HTTP: &url.URL{Scheme: "http", Host: "tempo"}}, nil },
					Archive: archive, Held: held, Logger: slog.New(slog.DiscardHandler),
				})
				defer h.grpc.close()
				h.proxy.Transport = c.tempo
				w, began := httptest.NewRecorder(), time.Now()
				h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/api/search?q=%7B%7D&start=1&end=2", nil))
				if took := time.Since(began); took > patience {
					t.Errorf("took %s", took)
				}
				traces := map[string]*tempopb.TraceSearchMetadata{}
				resp := &tempopb.SearchResponse{}
				if err := fromJSON(w.Body.Bytes(), resp); w.Code == 200 && err != nil {
					t.Fatal(err, w.Body)
				}
				for _, tr := range resp.Traces {
					traces[tr.TraceID] = tr
				}
				if w.Code != c.code || ids(traces) != c.want || (w.Header().Get(PartialHeader) != "") != c.partial {
					t.Errorf("%d %q %v, want %d %q", w.Code, ids(traces), w.Header(), c.code, c.want)
				}
			})
		})
	}
}

// Where a stream answers with one message, it waits no longer either; what is streamed goes on.
func TestAStreamOfOneMessageHasADeadline(t *testing.T) {
	for name, want := range map[string]bool{"tags": true, "metrics": true, "search": false} {
		a := &deadlineArchive{}
		client := stream(t, nil, Options{Archive: a})
		var err error
		switch name {
		case "tags":
			s, e := client.SearchTagsV2(t.Context(), &tempopb.SearchTagsRequest{})
			if err = e; err == nil {
				_, err = s.Recv()
			}
		case "metrics":
			s, e := client.MetricsQueryRange(t.Context(), &tempopb.QueryRangeRequest{Query: "{} | rate()"})
			if err = e; err == nil {
				_, err = s.Recv()
			}
		default:
			_, _, _, err = streamed(t, client, &tempopb.SearchRequest{Query: "{}"})
		}
		if err != nil || a.deadline != want {
			t.Errorf("%s: deadline %t, %v", name, a.deadline, err)
		}
	}
}

// deadlineArchive notes whether a question has a deadline.
type deadlineArchive struct {
	fakeArchive
	deadline bool
}

func (d *deadlineArchive) Search(ctx context.Context, tenant string, req *tempopb.SearchRequest, skip func(string) bool, progress func(*tempopb.SearchResponse) error) (*tempopb.SearchResponse, []error, error) {
	_, d.deadline = ctx.Deadline()
	return d.fakeArchive.Search(ctx, tenant, req, skip, progress)
}

func (d *deadlineArchive) SearchTagsV2(ctx context.Context, tenant string, req *tempopb.SearchTagsRequest, skip func(string) bool) (*tempopb.SearchTagsV2Response, []error, error) {
	_, d.deadline = ctx.Deadline()
	return d.fakeArchive.SearchTagsV2(ctx, tenant, req, skip)
}

func (d *deadlineArchive) QueryRange(ctx context.Context, tenant string, req *tempopb.QueryRangeRequest, skip func(string) bool) (*tempopb.QueryRangeResponse, []error, error) {
	_, d.deadline = ctx.Deadline()
	return d.fakeArchive.QueryRange(ctx, tenant, req, skip)
}
