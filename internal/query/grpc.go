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

// grpcServer is tempopb.StreamingQuerier in front of Tempo's and the archive.
type grpcServer struct {
	server *grpc.Server
	api    *Handler

	mu   sync.Mutex
	conn *grpc.ClientConn
	to   Backend // of conn
}

func newGRPCServer(api *Handler) *grpcServer {
	s := &grpcServer{
		api: api,
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
	b, err := s.api.backend()
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

// opener starts one of the methods of a client.
type opener[Req any, From any] func(tempopb.StreamingQuerierClient, context.Context, *Req, ...grpc.CallOption) (From, error)

// receive asks Tempo and calls each with every message that it answers.
func receive[Req, Resp any, From interface{ Recv() (*Resp, error) }](ctx context.Context, s *grpcServer, req *Req, open opener[Req, From], each func(*Resp) error) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
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
		if err := each(msg); err != nil {
			return err
		}
	}
}

// MetricsQueryInstant streams a TraceQL metrics query at one instant, which is Tempo's alone to answer.
func (s *grpcServer) MetricsQueryInstant(req *tempopb.QueryInstantRequest, to tempopb.StreamingQuerier_MetricsQueryInstantServer) error {
	req.Query = boundQuery(req.Query)
	return receive(to.Context(), s, req, tempopb.StreamingQuerierClient.MetricsQueryInstant, to.Send)
}
