package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/gogo/protobuf/jsonpb"
	"github.com/gogo/protobuf/proto"
	"github.com/grafana/tempo/pkg/tempopb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// messages are the request and the answer of a method of StreamingQuerier.
func messages(method string) (request, response proto.Message, err error) {
	switch method {
	case "Search":
		return &tempopb.SearchRequest{}, &tempopb.SearchResponse{}, nil
	case "SearchTags":
		return &tempopb.SearchTagsRequest{}, &tempopb.SearchTagsResponse{}, nil
	case "SearchTagsV2":
		return &tempopb.SearchTagsRequest{}, &tempopb.SearchTagsV2Response{}, nil
	case "SearchTagValues":
		return &tempopb.SearchTagValuesRequest{}, &tempopb.SearchTagValuesResponse{}, nil
	case "SearchTagValuesV2":
		return &tempopb.SearchTagValuesRequest{}, &tempopb.SearchTagValuesV2Response{}, nil
	case "MetricsQueryRange":
		return &tempopb.QueryRangeRequest{}, &tempopb.QueryRangeResponse{}, nil
	case "MetricsQueryInstant":
		return &tempopb.QueryInstantRequest{}, &tempopb.QueryInstantResponse{}, nil
	}
	return nil, nil, fmt.Errorf("no method of StreamingQuerier is called %s", method)
}

// overGRPC returns all messages of a stream as one.
func (c *Client) overGRPC(ctx context.Context, r *Request) (Answer, error) {
	request, response, err := messages(path.Base(r.Path))
	if err != nil {
		return Answer{}, err
	}
	if err := jsonpb.Unmarshal(
		strings.NewReader(encode(named(r.Message, request))), request,
	); err != nil {
		return Answer{}, fmt.Errorf("encode the request of %s: %w", r.Path, err)
	}
	for k, v := range r.Headers {
		ctx = metadata.AppendToOutgoingContext(ctx, k, v)
	}
	merged := object{}
	if r.endpoint() == search {
		merged[streamed] = true
	}
	stream, err := c.grpc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, r.Path)
	if err != nil {
		return grpcFailure(err)
	}
	if err := errors.Join(stream.SendMsg(request), stream.CloseSend()); err != nil {
		return grpcFailure(err)
	}
	for {
		response.Reset()
		err := stream.RecvMsg(response)
		if errors.Is(err, io.EOF) {
			return Answer{ContentType: "application/grpc", Body: merged}, nil
		}
		if err != nil {
			return grpcFailure(err)
		}
		part, err := viaJSON(response)
		if err != nil {
			return Answer{}, err
		}
		mergePart(merged, part.(object))
	}
}

// named gives the fields of a request the names that the message has. Those of a
// search begin with a capital letter.
func named(fields object, request proto.Message) object {
	if _, ok := request.(*tempopb.SearchRequest); !ok {
		return fields
	}
	renamed := object{}
	for name, v := range fields {
		if !isTime(name) {
			name = strings.ToUpper(name[:1]) + name[1:]
		}
		renamed[name] = v
	}
	return renamed
}

// grpcFailure is the answer of a call that the server ended with a status.
func grpcFailure(err error) (Answer, error) {
	s, ok := status.FromError(err)
	if !ok {
		return Answer{}, err
	}
	return Answer{Status: int(s.Code()), ContentType: "application/grpc", Body: s.Message()}, nil
}

// mergePart puts a message of a stream over those before it: of a trace, a series
// or a tag the last one counts.
func mergePart(into, part object) {
	for field, v := range part {
		name := nameOf(field)
		if name == nil {
			into[field] = v
			continue
		}
		have := list(into[field])
		at := map[string]int{}
		for i, h := range have {
			at[name(h)] = i
		}
		for _, e := range list(v) {
			i, ok := at[name(e)]
			switch {
			case !ok:
				at[name(e)] = len(have)
				have = append(have, e)
			case field == "scopes":
				addTags(have[i].(object), e.(object))
			default:
				have[i] = e
			}
		}
		into[field] = have
	}
}

// nameOf says what an element of a list is known by; nil: it is none of those
// lists.
func nameOf(field string) func(any) string {
	switch field {
	case "traces":
		return func(v any) string { return text(v, "traceID") }
	case "series":
		return func(v any) string { return text(v, "promLabels") }
	case "scopes":
		return func(v any) string { return text(v, "name") }
	case "tagNames", "tagValues":
		return encode
	}
	return nil
}

func addTags(into, from object) {
	tags := list(into["tags"])
	seen := map[any]bool{}
	for _, t := range tags {
		seen[t] = true
	}
	for _, t := range list(from["tags"]) {
		if !seen[t] {
			tags = append(tags, t)
		}
	}
	into["tags"] = tags
}
