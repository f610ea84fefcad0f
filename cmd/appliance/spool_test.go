package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"appliance/internal/spool"
)

// keep DATA_DIR RECORDS keeps records of three spans in the spool of a data
// directory, and gives the first of them up.
func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: keep DATA_DIR RECORDS")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	s, err := spool.Open(filepath.Join(ts.MkAbs(args[0]), "spool"), spool.Options{NoSpare: true})
	ts.Check(err)
	var first spool.Position
	for i := range n {
		pos, err := s.Append(spool.Record{
			Tenant: "shop", Spans: 3, Time: time.Date(2026, 11, 1, 12, 0, i, 0, time.UTC), Payload: []byte("record " + strconv.Itoa(i)),
		})
		ts.Check(err)
		if i == 0 {
			first = pos
		}
	}
	if n > 0 {
		ts.Check(s.Release(first))
	}
	ts.Check(s.Close())
}

// stuckSpan is a request with a span, by the number in its identifiers.
func stuckSpan(n byte) []byte {
	traces := ptrace.NewTraces()
	rs := traces.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "cart")
	span := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetTraceID([16]byte{1, 2, 15: n})
	span.SetSpanID([8]byte{7: n})
	span.SetName("buy")
	body, err := ptraceotlp.NewExportRequestFromTraces(traces).MarshalProto()
	if err != nil {
		panic(err)
	}
	return body
}

// stuck DATA_DIR sets two spans aside in the spool of a data directory.
func stuck(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: stuck DATA_DIR")
	}
	s, err := spool.Open(filepath.Join(ts.MkAbs(args[0]), "spool"), spool.Options{NoSpare: true})
	ts.Check(err)
	for i := range 2 {
		rec := spool.Record{Tenant: "shop", Spans: 1, Time: time.Date(2026, 11, 1, 12, 0, i, 0, time.UTC), Payload: stuckSpan(byte(i + 1))}
		pos, err := s.Append(rec)
		ts.Check(err)
		ts.Check(s.Stuck().Keep([]spool.Aside{{Record: rec, Origin: pos, Why: "HTTP 500 oops"}}, pos))
	}
	ts.Check(s.Close())
}

// damage DATA_DIR TEXT changes a byte of text in the files of the spool.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: damage DATA_DIR TEXT")
	}
	names, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "spool", "*"))
	ts.Check(err)
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // a directory
		}
		if at := bytes.Index(data, []byte(args[1])); at >= 0 {
			data[at] ^= 1
			ts.Check(os.WriteFile(name, data, 0o644))
			return
		}
	}
	ts.Fatalf("no file of the spool holds %q", args[1])
}
