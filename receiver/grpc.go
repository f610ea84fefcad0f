package receiver

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// OTLP/gRPC is one message in a POST over HTTP/2, so it needs no server of its
// own: net/http reads the frames, and the message goes the way of a body.
const (
	grpcType    = "application/grpc"
	grpcExport  = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	grpcPrefix  = 5 // bytes before a message: whether it is compressed, and its length
	grpcRunning = 16 << 10
)

// serveGRPC answers one request that came over HTTP/2.
func (r *Receiver) serveGRPC(w http.ResponseWriter, req *http.Request, c *conn) {
	if !isGRPC(req.Header) {
		f := r.errNotGRPC(c)
		r.refused(req, f)
		f.send(w, encodingOf(req.Header))
		return
	}
	// A stream holds memory beside its message until it is answered, and a client
	// may open many and read no answer. The budget pays for it too.
	held := loan{memory: r.memory}
	defer held.settle()
	control := http.NewResponseController(w)
	res, err := r.export(req, c, &held, control)
	if err != nil {
		f := asRefusal(err)
		r.refused(req, f)
		f.sendGRPC(w)
		return
	}
	r.ledger.answered(http.StatusOK)
	_ = control.SetWriteDeadline(time.Now().Add(r.cfg.writeTimeout))
	res.sendGRPC(w)
	_ = control.Flush() // it waits for a client that takes no data, while held is charged
}

// export works on one request up to its fate. Its errors are refusals.
func (r *Receiver) export(req *http.Request, c *conn, held *loan, control *http.ResponseController) (result, error) {
	if err := held.reserve(req.Context(), streamCost(req.Header), false); err != nil {
		return result{}, err
	}
	tenant, err := r.admitGRPC(req, c)
	if err != nil {
		return result{}, err
	}
	_ = control.SetReadDeadline(time.Now().Add(r.cfg.ReadTimeout))
	return r.work(func(j *job) (result, error) {
		message, compressed, err := j.readMessage(req)
		if err != nil {
			return result{}, err
		}
		if compressed {
			if message, err = j.decompress(req.Context(), grpcCompression(req.Header), message); err != nil {
				return result{}, err
			}
		}
		return j.keep(req.Context(), tenant, message)
	})
}

// admitGRPC refuses what can be refused before the message is read.
func (r *Receiver) admitGRPC(req *http.Request, c *conn) (tenant string, err error) {
	switch {
	case c != nil && !c.grpc:
		return "", r.errGRPCHere()
	case r.draining.Load():
		return "", errDraining
	case req.URL.Path != grpcExport, req.Method != http.MethodPost:
		return "", errGRPCMethod(req.URL.Path)
	case !r.authorized(req.Header):
		return "", errUnauthorized
	}
	if tenant, err = r.tenant(req.Header); err != nil {
		return "", err
	}
	switch {
	case !isProtobufGRPC(req.Header):
		return "", errGRPCCodec
	case grpcCompression(req.Header) == unsupportedCompression:
		return "", errGRPCCompression
	}
	return tenant, r.admitNow(req)
}

// readMessage returns the one message of a request as it was sent. It does not
// wait for bytes of the budget: what the client sends meanwhile would be held
// without being charged.
func (j *job) readMessage(req *http.Request) (message []byte, compressed bool, err error) {
	var prefix [grpcPrefix]byte
	if _, err := io.ReadFull(req.Body, prefix[:]); err != nil {
		return nil, false, refusedMessage(err)
	}
	size := int64(binary.BigEndian.Uint32(prefix[1:]))
	switch {
	case prefix[0] > 1:
		return nil, false, errGRPCFrame
	case prefix[0] == 1 && grpcCompression(req.Header) == uncompressed:
		return nil, false, errGRPCFlag
	case size > int64(j.r.cfg.MaxBodyBytes):
		return nil, false, errTooLarge("message", j.r.cfg.MaxBodyBytes)
	}
	message, err = j.loan.readAll(req.Context(), req.Body, nil, int(size), false)
	if f, ok := errors.AsType[*refusal](err); ok && f.code == http.StatusRequestEntityTooLarge {
		return nil, false, errGRPCTwo
	}
	if err == nil && int64(len(message)) < size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, false, refusedMessage(err)
	}
	j.entry.wireBytes = len(message)
	return message, prefix[0] == 1, nil
}

func refusedMessage(err error) *refusal {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errGRPCCut
	}
	return refusedBody(err)
}

// streamCost is about what net/http holds for a stream: the goroutine, the
// stream, and the header as a map.
func streamCost(h http.Header) int {
	const field = 128
	cost := grpcRunning
	for k, values := range h {
		cost += field + len(k)
		for _, v := range values {
			cost += field/4 + len(v)
		}
	}
	return cost
}

func isGRPC(h http.Header) bool {
	values := h["Content-Type"]
	if len(values) != 1 {
		return false
	}
	rest, ok := strings.CutPrefix(values[0], grpcType)
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

func isProtobufGRPC(h http.Header) bool {
	codec, ok := strings.CutPrefix(h["Content-Type"][0], grpcType+"+")
	if !ok {
		return true
	}
	codec, _, _ = strings.Cut(codec, ";")
	return codec == "proto"
}

func grpcCompression(h http.Header) compression { return compressionNamed(h["Grpc-Encoding"]) }

// portOf is the port of a listener, for messages.
func portOf(l net.Listener) string {
	if l == nil {
		return ""
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
