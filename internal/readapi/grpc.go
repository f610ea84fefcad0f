package readapi

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/gogo/protobuf/proto"
	"github.com/grafana/tempo/pkg/tempopb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	// maxMessage bounds a gRPC message that answers, in bytes.
	maxMessage = 64 << 20
	// maxRequest bounds one that asks, in bytes: a query, and the tags of a
	// search.
	maxRequest = 256 << 10
	// partialTrailer is PartialHeader as gRPC has it.
	partialTrailer = "appliance-partial"
)

// streamer is tempopb.StreamingQuerier.
type streamer struct{ *Handler }

func (h *Handler) newGRPCServer() *grpc.Server {
	server := grpc.NewServer(
		// Tempo's messages need their own codec; given here, it is not registered
		// for the whole process.
		grpc.ForceServerCodec(codec{}),
		grpc.MaxRecvMsgSize(maxRequest), grpc.MaxSendMsgSize(maxMessage),
		grpc.StreamInterceptor(h.safely))
	tempopb.RegisterStreamingQuerierServer(server, streamer{h})
	return server
}

// safely makes an error of a panic, which grpc would let end the process. Only
// streams are served: all methods are.
func (h *Handler) safely(
	srv any, to grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler,
) (err error) {
	defer func() {
		if p := recover(); p != nil {
			h.Logger.Error("read API panicked over gRPC", "method", info.FullMethod,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = status.Error(codes.Internal, "the read API panicked; its log says where")
		}
	}()
	if err := handle(srv, to); err != nil {
		if to.Context().Err() != nil {
			return status.FromContextError(to.Context().Err()).Err()
		}
		if _, ok := status.FromError(err); ok {
			return err
		}
		return h.grpcError(info.FullMethod, err)
	}
	return nil
}

// codec encodes the messages of gogo/protobuf.
type codec struct{}

func (codec) Name() string { return "proto" }

func (codec) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("encode a %T: not a protobuf message", v)
	}
	return proto.Marshal(m)
}

func (codec) Unmarshal(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("decode a %T: not a protobuf message", v)
	}
	return proto.Unmarshal(data, m)
}

// tenantOfStream says whose spans a stream is about.
func (s streamer) tenantOfStream(to grpc.ServerStream) (string, error) {
	in, _ := metadata.FromIncomingContext(to.Context())
	if ids := in.Get("x-scope-orgid"); len(ids) > 0 {
		return s.tenant(ids[0])
	}
	return s.tenant("")
}

// begin takes the turn of an answer that is put together before it is sent.
func (s streamer) begin(
	to grpc.ServerStream,
) (ctx context.Context, tenant string, end func(), err error) {
	if tenant, err = s.tenantOfStream(to); err != nil {
		return nil, "", nil, err
	}
	ctx, cancel := context.WithTimeout(to.Context(), patience)
	leave, err := s.takeTurn(ctx)
	if err != nil {
		cancel()
		return nil, "", nil, err
	}
	return ctx, tenant, func() { leave(); cancel() }, nil
}

// markTrailer says what an answer lacks.
func markTrailer(to grpc.ServerStream, missing Missing) {
	if len(missing) > 0 {
		to.SetTrailer(metadata.Pairs(partialTrailer, missing.inALine()))
	}
}

// asTempo gives an unreadable metrics query the code that Tempo gives it.
func asTempo(err error) error {
	if isBad(err) && !errors.Is(err, ErrUnavailable) {
		return status.Error(codes.Unknown, err.Error())
	}
	return err
}
