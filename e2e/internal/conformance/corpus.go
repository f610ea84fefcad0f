package conformance

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// Meta is the first line of a corpus.
type Meta struct {
	Corpus string `json:"corpus"` // its name
	Base   int64  `json:"base"`   // when the dataset begins, Unix seconds
	Lines  int    `json:"lines"`
	Tempo  string `json:"tempo"` // which one answered
}

// Request is what is asked.
type Request struct {
	ID       string            `json:"id"`
	Category string            `json:"category"`
	Method   string            `json:"method"` // of HTTP, or GRPC
	Path     string            `json:"path"`
	Query    [][2]string       `json:"query,omitempty"`    // names and values, not encoded
	RawQuery string            `json:"rawQuery,omitempty"` // in place of Query
	Headers  map[string]string `json:"headers,omitempty"`
	Message  object            `json:"message,omitempty"` // of gRPC, by JSON names
}

// Line is a request and its answer.
type Line struct {
	Request
	Answer
	Stable bool   `json:"stable"`        // Tempo gives it each time
	Why    string `json:"why,omitempty"` // it is not stable
	// the body where no trace is spread over blocks, if another
	OneBlock any    `json:"oneBlock,omitempty"`
	Note     string `json:"note,omitempty"` // the fault of Tempo's that the answer comes of
}

// Answer is what a server answers.
type Answer struct {
	Status      int    `json:"status"` // of HTTP, or of gRPC
	ContentType string `json:"contentType"`
	Body        any    `json:"body"` // canonical
}

type object = map[string]any

// grpc says whether it is a call of gRPC.
func (r *Request) grpc() bool { return r.Method == "GRPC" }

// failed says whether the answer is an error, whose words are each
// implementation's own.
func (l *Line) failed() bool {
	if l.grpc() {
		return l.Status != 0
	}
	return l.Status >= 400
}

// String is the request as a person would write it.
func (r *Request) String() string {
	if r.grpc() {
		return "GRPC " + r.Path + " " + encode(r.Message)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Method, r.Path)
	for _, kv := range r.Query {
		fmt.Fprintf(&b, " %s=%s", kv[0], kv[1])
	}
	if r.RawQuery != "" {
		fmt.Fprintf(&b, "?%s", r.RawQuery)
	}
	return b.String()
}

// Read reads a corpus from a gzipped file.
func Read(path string) (Meta, []Line, error) {
	f, err := os.Open(path)
	if err != nil {
		return Meta{}, nil, err
	}
	defer f.Close()
	meta, lines, err := read(f)
	if err != nil {
		return Meta{}, nil, fmt.Errorf("read the corpus %s: %w", path, err)
	}
	return meta, lines, nil
}

func read(r io.Reader) (meta Meta, lines []Line, err error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return meta, nil, err
	}
	d := json.NewDecoder(bufio.NewReaderSize(z, 1<<20))
	if err := d.Decode(&meta); err != nil {
		return meta, nil, err
	}
	if meta.Corpus == "" || meta.Base == 0 {
		return meta, nil, fmt.Errorf("its first line is not that of a corpus")
	}
	for d.More() {
		var l Line
		if err := d.Decode(&l); err != nil {
			return meta, nil, fmt.Errorf("line %d: %w", len(lines)+2, err)
		}
		lines = append(lines, l)
	}
	if len(lines) != meta.Lines {
		return meta, nil, fmt.Errorf("it has %d lines and says %d", len(lines), meta.Lines)
	}
	return meta, lines, nil
}
