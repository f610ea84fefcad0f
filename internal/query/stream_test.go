package query

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/tempo/pkg/gogocodec"
	"github.com/grafana/tempo/pkg/tempopb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// streamingTempo is a fake StreamingQuerier. With err it answers that; with hold, Search waits for it to be closed
// after its first message, or before that.
type streamingTempo struct {
	tempopb.UnimplementedStreamingQuerierServer
	found  [][]*tempopb.TraceSearchMetadata // a message each
	tags   []string
	series [][]*tempopb.TimeSeries
	err    error
	hold   chan struct{}
	silent bool // until hold is closed, from the beginning
}

func (s *streamingTempo) Search(_ *tempopb.SearchRequest, to tempopb.StreamingQuerier_SearchServer) error {
	for i, traces := range s.found {
		if s.hold != nil && (i == 1 || s.silent) {
			select {
			case <-s.hold:
			case <-to.Context().Done():
				return to.Context().Err()
			}
		}
		if err := to.Send(&tempopb.SearchResponse{Traces: traces, Metrics: &tempopb.SearchMetrics{CompletedJobs: uint32(i)}}); err != nil {
			return err
		}
	}
	return s.err
}

func (s *streamingTempo) SearchTagsV2(_ *tempopb.SearchTagsRequest, to tempopb.StreamingQuerier_SearchTagsV2Server) error {
	for _, tag := range s.tags {
		if err := to.Send(&tempopb.SearchTagsV2Response{Scopes: []*tempopb.SearchTagsV2Scope{{Name: "span", Tags: []string{tag}}}}); err != nil {
			return err
		}
	}
	return s.err
}

func (s *streamingTempo) MetricsQueryRange(_ *tempopb.QueryRangeRequest, to tempopb.StreamingQuerier_MetricsQueryRangeServer) error {
	for _, part := range s.series {
		if err := to.Send(&tempopb.QueryRangeResponse{Series: part}); err != nil {
			return err
		}
	}
	return s.err
}

// stream is a client of the API in front of tempo, which may be nil, and the archive.
func stream(t *testing.T, tempo *streamingTempo, o Options) tempopb.StreamingQuerierClient {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	o.Backend = func() (Backend, error) { return Backend{}, errors.New("the embedded Tempo is starting") }
	if tempo != nil {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer(grpc.ForceServerCodec(gogocodec.NewCodec()))
		tempopb.RegisterStreamingQuerierServer(server, tempo)
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(server.Stop)
		o.Backend = func() (Backend, error) { return Backend{GRPC: listener.Addr().String()}, nil }
	}
	return clientOf(t, New(o))
}

// clientOf is a gRPC client of h, which is closed at the end.
func clientOf(t *testing.T, h *Handler) tempopb.StreamingQuerierClient {
	t.Helper()
	t.Cleanup(h.Close)
	api := httptest.NewUnstartedServer(h)
	api.Config.Protocols = new(http.Protocols)
	api.Config.Protocols.SetUnencryptedHTTP2(true)
	api.Start()
	t.Cleanup(api.Close)
	conn, err := grpc.NewClient("passthrough:///"+api.Listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(gogocodec.NewCodec())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return tempopb.NewStreamingQuerierClient(conn)
}

// streamed is what a client of Search has at the end: the latest of each trace.
func streamed(t *testing.T, client tempopb.StreamingQuerierClient, req *tempopb.SearchRequest) (map[string]*tempopb.TraceSearchMetadata, *tempopb.SearchMetrics, metadata.MD, error) {
	t.Helper()
	s, err := client.Search(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	traces := map[string]*tempopb.TraceSearchMetadata{}
	var metrics *tempopb.SearchMetrics
	for {
		msg, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return traces, metrics, s.Trailer(), nil
		}
		if err != nil {
			return traces, metrics, s.Trailer(), err
		}
		for _, tr := range msg.Traces {
			traces[tr.TraceID] = tr
		}
		metrics = msg.Metrics
	}
}

func ids(traces map[string]*tempopb.TraceSearchMetadata) string {
	var out []string
	for id := range traces {
		out = append(out, id)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestAStreamedSearchIsThatOfTempoAndTheArchive(t *testing.T) {
	req := &tempopb.SearchRequest{Query: "{}", Start: 100, End: 200}
	archive := func() *fakeArchive {
		return &fakeArchive{found: []*tempopb.TraceSearchMetadata{found("b", 2, "shop", 3), found("c", 1, "", 1)}, blocks: []string{"1", "2"}}
	}
	tempo := func() *streamingTempo {
		return &streamingTempo{found: [][]*tempopb.TraceSearchMetadata{{found("a", 3, "web", 1)}, {found("b", 2, "<root span not yet received>", 1)}}}
	}
	held := func(string) func(string) bool { return func(b string) bool { return b == "1" } }
	refused := &streamingTempo{err: status.Error(codes.InvalidArgument, "unexpected }")}
	ill := &streamingTempo{err: status.Error(codes.Internal, "panic")}
	for _, c := range []struct {
		name    string
		tempo   *streamingTempo
		archive *fakeArchive
		held    func(string) func(string) bool
		want    string
		partial string
		code    codes.Code
	}{
		{name: "both", tempo: tempo(), archive: archive(), want: "a b c"},
		{name: "held", tempo: tempo(), archive: archive(), held: held, want: "a b c"},
		{name: "no tempo", archive: archive(), held: held, want: "b c", partial: "tempo does not answer"},
		{name: "ill tempo", tempo: ill, archive: archive(), held: held, want: "b c", partial: "panic"},
		{name: "no archive", tempo: tempo(), archive: &fakeArchive{err: errors.New("no such bucket")}, want: "a b", partial: "no such bucket"},
		{name: "a block missing", tempo: tempo(), archive: &fakeArchive{missing: []error{errors.New("block X – damaged")}}, want: "a b", partial: "block X ? damaged"},
		{name: "neither", archive: &fakeArchive{err: errors.New("no such bucket")}, code: codes.Unavailable},
		{name: "refused", tempo: refused, archive: archive(), code: codes.InvalidArgument},
		{name: "refused by the archive", archive: &fakeArchive{err: badQuestion{errors.New("unexpected }")}}, code: codes.InvalidArgument},
	} {
		t.Run(c.name, func(t *testing.T) {
			traces, metrics, trailer, err := streamed(t, stream(t, c.tempo, Options{Archive: c.archive, Held: c.held}), req)
			if status.Code(err) != c.code {
				t.Fatalf("%v, want %s", err, c.code)
			}
			if err != nil {
				return
			}
			if ids(traces) != c.want {
				t.Errorf("%s, want %s", ids(traces), c.want)
			}
			got := strings.Join(trailer.Get(partialTrailer), "")
			if c.partial == "" && got != "" || !strings.Contains(got, c.partial) {
				t.Errorf("trailer %q, want %q", got, c.partial)
			}
			if c.name == "both" && (traces["b"].RootServiceName != "shop" || traces["b"].SpanSets[0].Matched != 3 || metrics.InspectedTraces != 7) {
				t.Errorf("%v %v", traces["b"], metrics)
			}
		})
	}
}

func TestAStreamedSearchWithoutARangeLeavesNothingToTempo(t *testing.T) {
	held := func(string) func(string) bool { return func(string) bool { return true } }
	for want, req := range map[string]*tempopb.SearchRequest{"": {Query: "{}", Start: 100, End: 200}, "b": {Query: "{}"}} {
		archive := &fakeArchive{found: []*tempopb.TraceSearchMetadata{found("b", 2, "shop", 3)}, blocks: []string{"1"}}
		traces, _, _, err := streamed(t, stream(t, &streamingTempo{}, Options{Archive: archive, Held: held}), req)
		if err != nil || ids(traces) != want {
			t.Errorf("from %d to %d: %q, %v", req.Start, req.End, ids(traces), err)
		}
	}
}

func TestAStreamedSearchEndsWhenItIsFull(t *testing.T) {
	for _, silent := range []bool{false, true} {
		tempo := &streamingTempo{found: [][]*tempopb.TraceSearchMetadata{{found("a", 3, "web", 1)}, {found("z", 9, "web", 1)}}, hold: make(chan struct{}), silent: silent}
		client := stream(t, tempo, Options{Archive: &fakeArchive{found: []*tempopb.TraceSearchMetadata{found("b", 2, "shop", 3), found("c", 1, "", 1)}}})
		traces, _, _, err := streamed(t, client, &tempopb.SearchRequest{Query: "{}", Limit: 2, Start: 100, End: 200}) // Tempo never ends
		if err != nil || len(traces) != 2 {
			t.Errorf("%s %v", ids(traces), err)
		}
	}
}

func TestWhatWasFoundIsStreamedBeforeTheEnd(t *testing.T) {
	tempo := &streamingTempo{found: [][]*tempopb.TraceSearchMetadata{{found("a", 3, "web", 1)}, {found("z", 9, "web", 1)}}, hold: make(chan struct{})}
	client := stream(t, tempo, Options{Archive: &fakeArchive{found: []*tempopb.TraceSearchMetadata{found("b", 2, "shop", 3)}}})
	s, err := client.Search(t.Context(), &tempopb.SearchRequest{Query: "{}", Start: 100, End: 200})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]*tempopb.TraceSearchMetadata{}
	for len(seen) < 2 { // while Tempo is held
		msg, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		for _, tr := range msg.Traces {
			seen[tr.TraceID] = tr
		}
	}
	close(tempo.hold)
	for {
		msg, err := s.Recv()
		if err != nil {
			break
		}
		for _, tr := range msg.Traces {
			seen[tr.TraceID] = tr
		}
	}
	if ids(seen) != "a b z" {
		t.Error(ids(seen))
	}
}

func TestAClientThatLeavesEndsTheSearch(t *testing.T) {
	tempo := &streamingTempo{found: [][]*tempopb.TraceSearchMetadata{{found("a", 3, "web", 1)}, nil}, hold: make(chan struct{})}
	client := stream(t, tempo, Options{Archive: &fakeArchive{}})
	ctx, cancel := context.WithCancel(t.Context())
	s, err := client.Search(ctx, &tempopb.SearchRequest{Query: "{}"})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for err == nil {
		_, err = s.Recv()
	}
	if status.Code(err) != codes.Canceled {
		t.Error(err)
	}
}

func TestStreamedTagsAndMetrics(t *testing.T) {
	a := &fakeArchive{tags: map[string][]string{"span": {"a", "old"}}, series: []*tempopb.TimeSeries{series("x", 5, 5, 2, 0, 0)}}
	live := &streamingTempo{tags: []string{"a", "new"}, series: [][]*tempopb.TimeSeries{{series("x", 0, 1, 4)}, {{PromLabels: "x", Samples: []tempopb.Sample{{TimestampMs: 4000, Value: 8}}}}}}
	for _, c := range []struct {
		tempo   *streamingTempo
		archive Archive
		tags    string
		samples []float64
		partial bool
	}{
		{live, a, "a new old", []float64{5, 5, 4, 8, 0}, false},
		{nil, a, "a old", []float64{5, 5, 2, 0, 0}, true},
		{&streamingTempo{err: status.Error(codes.InvalidArgument, "no generator")}, a, "", []float64{5, 5, 2, 0, 0}, true},
	} {
		client := stream(t, c.tempo, Options{Archive: c.archive})
		tags, err := client.SearchTagsV2(t.Context(), &tempopb.SearchTagsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for {
			msg, err := tags.Recv()
			if err != nil {
				break
			}
			for _, s := range msg.Scopes {
				got = append(got, s.Tags...)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.tags {
			t.Errorf("tags %v, want %s", got, c.tags)
		}
		metrics, err := client.MetricsQueryRange(t.Context(), &tempopb.QueryRangeRequest{Query: "{} | rate()"})
		if err != nil {
			t.Fatal(err)
		}
		msg, err := metrics.Recv()
		if err != nil {
			t.Fatal(err)
		}
		var samples []float64
		for _, s := range msg.Series[0].Samples {
			samples = append(samples, s.Value)
		}
		if !slices.Equal(samples, c.samples) || (msg.Status == tempopb.PartialStatus_PARTIAL) != c.partial {
			t.Errorf("%v %s %s, want %v", samples, msg.Status, msg.Message, c.samples)
		}
	}
}

// Tempo's jobs end in any order, and each message has the samples that are new or have changed.
func TestStreamedMetricsComeInAnyOrderOfTime(t *testing.T) {
	part := func(ms int64, value float64) []*tempopb.TimeSeries {
		return []*tempopb.TimeSeries{{PromLabels: "x", Samples: []tempopb.Sample{{TimestampMs: ms, Value: value}}}}
	}
	live := &streamingTempo{series: [][]*tempopb.TimeSeries{part(9000, 4), part(6000, 7), part(9000, 3), part(7000, 2)}}
	client := stream(t, live, Options{Archive: &fakeArchive{series: []*tempopb.TimeSeries{series("x", 5, 5, 2)}}})
	metrics, err := client.MetricsQueryRange(t.Context(), &tempopb.QueryRangeRequest{Query: "{} | rate()"})
	if err != nil {
		t.Fatal(err)
	}
	msg, err := metrics.Recv()
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]float64{}
	for _, s := range msg.Series[0].Samples {
		got[s.TimestampMs] = s.Value
	}
	want := map[int64]float64{1000: 5, 2000: 5, 3000: 2, 6000: 7, 7000: 2, 9000: 3}
	if !maps.Equal(got, want) || !slices.IsSortedFunc(msg.Series[0].Samples, func(a, b tempopb.Sample) int { return cmp.Compare(a.TimestampMs, b.TimestampMs) }) {
		t.Errorf("%v, want %v in order", msg.Series[0].Samples, want)
	}
}

func TestAStartWithoutAnEndGoesOnUntilNow(t *testing.T) {
	archive := &fakeArchive{}
	if _, _, _, err := streamed(t, stream(t, &streamingTempo{}, Options{Archive: archive}), &tempopb.SearchRequest{Query: "{}", Start: 100}); err != nil {
		t.Fatal(err)
	}
	if now := uint32(time.Now().Unix()); archive.search.Start != 100 || archive.search.End > now || archive.search.End+60 < now {
		t.Errorf("from %d to %d", archive.search.Start, archive.search.End)
	}
}
