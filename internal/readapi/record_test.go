package readapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/gogo/protobuf/jsonpb"
	"github.com/gogo/protobuf/proto"
	"github.com/grafana/tempo/pkg/tempopb"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// request is one that was made of Tempo 2.8, and the status of its answer.
// testdata/requests.jsonl has those whose parameters, paths and methods differ.
type request struct {
	Method, URL string
	Headers     map[string]string
	Message     json.RawMessage // of gRPC
	Status      int
	ContentType string
	Error       string
}

func readRequests(t *testing.T) []request {
	t.Helper()
	text, err := os.ReadFile("testdata/requests.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var all []request
	for lines := json.NewDecoder(bytes.NewReader(text)); ; {
		var r request
		if err := lines.Decode(&r); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
}

// onPurpose says why the status is another than Tempo's, or nothing.
func (r request) onPurpose() (status int, why string) {
	switch {
	case r.Method == http.MethodPut || r.Method == http.MethodDelete:
		return http.StatusMethodNotAllowed, "Tempo answers it like GET"
	case r.Status == http.StatusInternalServerError:
		return http.StatusBadRequest, "the request is at fault"
	case r.Status == 13:
		return 3, "the request is at fault"
	case strings.Contains(r.URL, "/tag/a%2Fb/"):
		return http.StatusOK, "Tempo cannot be asked for a key with a slash"
	}
	return r.Status, ""
}

// hasOwnWords says whether our error says more than Tempo's.
func (r request) hasOwnWords() bool {
	return strings.Contains(r.Error, "parse error") || strings.Contains(r.Error, "valid duration") ||
		strings.Contains(r.URL, "start=abc") && strings.Contains(r.URL, "/metrics/")
}

func TestStatusesOfTheRecord(t *testing.T) {
	engine := &fakeEngine{}
	base := serve(t, engine)
	conn, err := grpc.NewClient("passthrough:///"+strings.TrimPrefix(base, "http://"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(codec{})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	all := readRequests(t)
	if len(all) < 900 {
		t.Fatalf("%d requests were read, want all of the record", len(all))
	}
	for _, r := range all {
		engine.trace = nil
		if r.Status == http.StatusOK && !strings.Contains(r.URL, "/v2/") {
			engine.trace = &TraceAnswer{Trace: &tempopb.Trace{ResourceSpans: []*trace.ResourceSpans{{}}}}
		}
		want, why := r.onPurpose()
		if r.Method == "GRPC" {
			if got := callGRPC(t, conn, r); got != want {
				t.Errorf("%s %s: code %d, want %d", r.URL, r.Message, got, want)
			}
			continue
		}
		got, contentType, body := getHTTP(t, base, r)
		if got != want {
			t.Errorf("%s %s: status %d, want %d %s", r.Method, r.URL, got, want, why)
		}
		if contentType != r.ContentType && why == "" && r.ContentType != "application/octet-stream" {
			t.Errorf("%s %s: content type %q, want %q", r.Method, r.URL, contentType, r.ContentType)
		}
		if r.Error != "" && why == "" && !r.hasOwnWords() && body != r.Error {
			t.Errorf("%s %s: %q, want %q", r.Method, r.URL, body, r.Error)
		}
	}
}

func getHTTP(t *testing.T, base string, r request) (status int, contentType, body string) {
	t.Helper()
	req, err := http.NewRequest(r.Method, base+r.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range r.Headers {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), strings.TrimSpace(string(text))
}

// callGRPC calls a method of the streaming querier by its name.
func callGRPC(t *testing.T, conn *grpc.ClientConn, r request) (code int) {
	t.Helper()
	name := r.URL[strings.LastIndexByte(r.URL, '/')+1:]
	method := reflect.ValueOf(tempopb.NewStreamingQuerierClient(conn)).MethodByName(name)
	req := reflect.New(method.Type().In(1).Elem())
	if err := jsonpb.Unmarshal(bytes.NewReader(r.Message), req.Interface().(proto.Message)); err != nil {
		t.Fatalf("%s: %v", r.Message, err)
	}
	out := method.Call([]reflect.Value{reflect.ValueOf(context.Background()), req})
	if err, _ := out[1].Interface().(error); err != nil {
		t.Fatal(err)
	}
	for {
		received := out[0].MethodByName("Recv").Call(nil)
		err, _ := received[1].Interface().(error)
		if errors.Is(err, io.EOF) {
			return 0
		}
		if err != nil {
			return int(status.Code(err))
		}
	}
}
