package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gogo/protobuf/jsonpb"
	"github.com/gogo/protobuf/proto"
	"github.com/grafana/tempo/pkg/tempopb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// patience is how long a server may take for an answer.
const patience = 2 * time.Minute

// Client asks one server.
type Client struct {
	// Whole leaves long bodies as they are, which a corpus has shortened.
	Whole bool

	base string
	http *http.Client
	grpc *grpc.ClientConn
}

// NewClient asks the read API below a URL of the form http://host:port. Calls of
// gRPC go to the same port.
func NewClient(base string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("%q is not a server's URL; write http://host:port", base)
	}
	conn, err := grpc.NewClient("passthrough:///"+u.Host, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(256<<20)))
	if err != nil {
		return nil, err
	}
	return &Client{base: strings.TrimSuffix(base, "/"), http: &http.Client{Timeout: patience}, grpc: conn}, nil
}

// Close ends the connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return c.grpc.Close()
}

// Ask sends a request with its times moved by seconds, and returns the answer in
// canonical form, with its times moved back.
func (c *Client) Ask(ctx context.Context, r *Request, by int64) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	sent := r.shifted(by)
	ask := c.overHTTP
	if r.grpc() {
		ask = c.overGRPC
	}
	answer, err := ask(ctx, &sent)
	if err != nil {
		return Answer{}, err
	}
	switch body := answer.Body.(type) {
	case string:
		answer.Body = shiftedText(body, -by)
	default:
		answer.Body = canonical(r, shiftedAnswer(body, -by))
		if !c.Whole {
			answer.Body = shorten(answer.Body)
		}
	}
	return answer, nil
}

// overHTTP returns the body as JSON says it, or as text.
func (c *Client) overHTTP(ctx context.Context, r *Request) (Answer, error) {
	target := c.base + r.Path
	query := r.RawQuery
	if query == "" {
		var parts []string
		for _, kv := range r.Query {
			parts = append(parts, url.QueryEscape(kv[0])+"="+url.QueryEscape(kv[1]))
		}
		query = strings.Join(parts, "&")
	}
	if query != "" {
		target += "?" + query
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target, nil)
	if err != nil {
		return Answer{}, err
	}
	for k, v := range r.Headers {
		req.Header.Set(k, v)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type")}
	if a.Status == http.StatusOK && strings.HasPrefix(a.ContentType, "application/protobuf") {
		a.Body, err = fromProto(r, data)
		return a, err
	}
	if v, err := fromJSON(data); err == nil {
		if o, ok := v.(object); ok {
			a.Body = o
			return a, nil
		}
	}
	a.Body = strings.TrimSpace(string(data))
	return a, nil
}

// fromProto decodes a whole trace.
func fromProto(r *Request, data []byte) (any, error) {
	var m proto.Message
	switch r.endpoint() {
	case traceV1:
		m = &tempopb.Trace{}
	case traceV2:
		m = &tempopb.TraceByIDResponse{}
	default:
		return nil, fmt.Errorf("%s answers in protobuf, which it should not", r.Path)
	}
	if err := proto.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("decode the answer of %s: %w", r.Path, err)
	}
	return viaJSON(m)
}

// viaJSON is a message as its mapping to JSON shows it.
func viaJSON(m proto.Message) (any, error) {
	text, err := (&jsonpb.Marshaler{}).MarshalToString(m)
	if err != nil {
		return nil, err
	}
	return fromJSON([]byte(text))
}

// fromJSON decodes one value. Its numbers keep their digits.
func fromJSON(data []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("there is more than one value")
	}
	return v, nil
}
