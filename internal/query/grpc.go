package query

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/grafana/tempo/pkg/gogocodec"
	"github.com/grafana/tempo/pkg/tempopb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// maxMessage bounds a gRPC message, in bytes.
const maxMessage = 64 << 20

// grpcServer is tempopb.StreamingQuerier in front of Tempo's.
type grpcServer struct {
	server  *grpc.Server
	backend func() (Backend, error)

	mu   sync.Mutex
	conn *grpc.ClientConn
	to   Backend // of conn
}

func newGRPCServer(backend func() (Backend, error)) *grpcServer {
	s := &grpcServer{
		backend: backend,
		// Tempo's messages need its own codec; given here, it is not registered for the whole process.
		server: grpc.NewServer(grpc.ForceServerCodec(gogocodec.NewCodec()), grpc.MaxRecvMsgSize(1<<20), grpc.MaxSendMsgSize(maxMessage)),
	}
	tempopb.RegisterStreamingQuerierServer(s.server, s)
	return s
}

func (s *grpcServer) close() {
	s.server.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
	}
}

// client returns a client of the Tempo that answers now; a restarted one has another address.
func (s *grpcServer) client() (tempopb.StreamingQuerierClient, error) {
	b, err := s.backend()
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil || s.to.GRPC != b.GRPC || s.to.TLS != b.TLS {
		creds := insecure.NewCredentials()
		if b.TLS {
			creds = credentials.NewTLS(nil)
		}
		conn, err := grpc.NewClient("passthrough:///"+b.GRPC,
			grpc.WithTransportCredentials(creds),
			grpc.WithDefaultCallOptions(grpc.ForceCodec(gogocodec.NewCodec()), grpc.MaxCallRecvMsgSize(maxMessage)))
		if err != nil {
			return nil, status.Error(codes.Unavailable, err.Error())
		}
		if s.conn != nil {
			s.conn.Close()
		}
		s.conn, s.to = conn, b
	}
	return tempopb.NewStreamingQuerierClient(s.conn), nil
}

// relay opens Tempo's stream for req and copies it to the caller's.
func relay[Req, Resp any, From interface{ Recv() (*Resp, error) }](
	s *grpcServer, req *Req, to interface {
		Context() context.Context
		Send(*Resp) error
	},
	open func(tempopb.StreamingQuerierClient, context.Context, *Req, ...grpc.CallOption) (From, error),
) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(to.Context())
	defer cancel()
	if in, ok := metadata.FromIncomingContext(ctx); ok {
		out := metadata.MD{}
		for _, name := range []string{"x-scope-orgid", "authorization"} {
			out.Append(name, in.Get(name)...)
		}
		ctx = metadata.NewOutgoingContext(ctx, out)
	}
	from, err := open(client, ctx, req)
	if err != nil {
		return err
	}
	for {
		msg, err := from.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := to.Send(msg); err != nil {
			return err
		}
	}
}

// Search streams the results of a TraceQL search.
func (s *grpcServer) Search(req *tempopb.SearchRequest, to tempopb.StreamingQuerier_SearchServer) error {
	req.Limit = min(req.Limit, MaxLimit)
	req.Query = boundQuery(req.Query)
	return relay(s, req, to, tempopb.StreamingQuerierClient.Search)
}

// SearchTags streams tag names.
func (s *grpcServer) SearchTags(req *tempopb.SearchTagsRequest, to tempopb.StreamingQuerier_SearchTagsServer) error {
	return relay(s, req, to, tempopb.StreamingQuerierClient.SearchTags)
}

// SearchTagsV2 streams tag names by scope.
func (s *grpcServer) SearchTagsV2(req *tempopb.SearchTagsRequest, to tempopb.StreamingQuerier_SearchTagsV2Server) error {
	return relay(s, req, to, tempopb.StreamingQuerierClient.SearchTagsV2)
}

// SearchTagValues streams the values of a tag.
func (s *grpcServer) SearchTagValues(req *tempopb.SearchTagValuesRequest, to tempopb.StreamingQuerier_SearchTagValuesServer) error {
	return relay(s, req, to, tempopb.StreamingQuerierClient.SearchTagValues)
}

// SearchTagValuesV2 streams the typed values of a tag.
func (s *grpcServer) SearchTagValuesV2(req *tempopb.SearchTagValuesRequest, to tempopb.StreamingQuerier_SearchTagValuesV2Server) error {
	return relay(s, req, to, tempopb.StreamingQuerierClient.SearchTagValuesV2)
}

// MetricsQueryRange streams a TraceQL metrics query over time.
func (s *grpcServer) MetricsQueryRange(req *tempopb.QueryRangeRequest, to tempopb.StreamingQuerier_MetricsQueryRangeServer) error {
	req.Exemplars = min(req.Exemplars, maxExemplars)
	req.Query = boundQuery(req.Query)
	return relay(s, req, to, tempopb.StreamingQuerierClient.MetricsQueryRange)
}

// MetricsQueryInstant streams a TraceQL metrics query at one instant.
func (s *grpcServer) MetricsQueryInstant(req *tempopb.QueryInstantRequest, to tempopb.StreamingQuerier_MetricsQueryInstantServer) error {
	req.Query = boundQuery(req.Query)
	return relay(s, req, to, tempopb.StreamingQuerierClient.MetricsQueryInstant)
}
