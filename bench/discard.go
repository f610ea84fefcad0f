package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// received is what a discard server got from one sender.
type received struct {
	Requests int64
	Spans    int64
	Bad      int64 // requests that could not be counted
}

// serveDiscard is a backend that takes everything and keeps nothing. With
// -count it counts spans by the first part of the path, for the exporters;
// without, it is the limit: read the body, answer 200.
func serveDiscard(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("discard", flag.ContinueOnError)
	listen := flags.String("listen", "", "address")
	count := flags.Bool("count", false, "count spans, and tell at GET /counts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	handler := http.HandlerFunc(readAndAnswer)
	if *count {
		c := &counter{from: map[string]*received{}}
		handler = c.serve
	}
	server := &http.Server{Handler: handler, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	stopped := context.AfterFunc(ctx, func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(last) // the process ends anyway
	})
	defer stopped()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func readAndAnswer(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	w.WriteHeader(http.StatusOK)
	if r.Header.Get("Content-Type") == typeGRPC {
		_, _ = w.Write(make([]byte, 5)) // an empty message
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	}
}

type counter struct {
	mu   sync.Mutex
	from map[string]*received
}

func (c *counter) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		c.mu.Lock()
		defer c.mu.Unlock()
		_ = json.NewEncoder(w).Encode(c.from) // the reader notices
		return
	}
	spans, err := countRequest(r)
	sender, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	c.mu.Lock()
	got := c.from[sender]
	if got == nil {
		got = &received{}
		c.from[sender] = got
	}
	got.Requests++
	got.Spans += spans
	if err != nil {
		got.Bad++
	}
	c.mu.Unlock()
	w.Header().Set("Content-Type", typeProtobuf)
	w.WriteHeader(http.StatusOK)
}

func countRequest(r *http.Request) (int64, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, err
	}
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return 0, err
		}
		if body, err = io.ReadAll(z); err != nil {
			return 0, err
		}
	}
	return countAt(body, 0)
}

// countAt counts spans by skipping over them: ResourceSpans are field 1 of the
// request, ScopeSpans field 2 of those, spans field 2 again.
func countAt(message []byte, depth int) (int64, error) {
	wanted := [...]protowire.Number{1, 2, 2}[depth]
	var spans int64
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		message = message[n:]
		n = protowire.ConsumeFieldValue(field, kind, message)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		if field == wanted && kind == protowire.BytesType {
			if depth == 2 {
				spans++
			} else {
				inner, _ := protowire.ConsumeBytes(message)
				below, err := countAt(inner, depth+1)
				if err != nil {
					return 0, err
				}
				spans += below
			}
		}
		message = message[n:]
	}
	return spans, nil
}

func readCounts(ctx context.Context, addr string) (map[string]received, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/counts", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var counts map[string]received
	if err := json.NewDecoder(resp.Body).Decode(&counts); err != nil {
		return nil, fmt.Errorf("read counts: %w", err)
	}
	return counts, nil
}
