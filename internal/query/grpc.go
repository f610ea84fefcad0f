package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
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

const (
	// maxMessage bounds a gRPC message that answers, in bytes.
	maxMessage = 64 << 20
	// maxRequest bounds one that asks, in bytes: a query, and the tags of a search.
	maxRequest = 64 << 10
)

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
		server: grpc.NewServer(grpc.ForceServerCodec(gogocodec.NewCodec()), grpc.MaxRecvMsgSize(maxRequest), grpc.MaxSendMsgSize(maxMessage),
			grpc.StreamInterceptor(func(srv any, to grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
				return api.grpc.safely(func() error { return handle(srv, checkedStream{to}) })
			})),
	}
	tempopb.RegisterStreamingQuerierServer(s.server, s)
	return s
}

// safely makes an error of a panic, which grpc would let end the process. Only streams are served: all methods are.
func (s *grpcServer) safely(call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.api.logger.Error("read API panicked over gRPC", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = status.Error(codes.Internal, "the read API panicked; its log says where")
		}
	}()
	return call()
}

// checkedStream refuses requests with a query that is too long, whatever the method.
type checkedStream struct{ grpc.ServerStream }

func (c checkedStream) RecvMsg(m any) error {
	if err := c.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	if req, ok := m.(interface{ GetQuery() string }); ok {
		if err := checkQuery(req.GetQuery()); err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
	}
	return nil
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
