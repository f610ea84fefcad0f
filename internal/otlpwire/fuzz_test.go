package otlpwire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// FuzzFilter holds Filter against pdata and the reference for any bytes.
func FuzzFilter(f *testing.F) {
	f.Add(benchRequest(f, 2))
	f.Add(resourceSpans(message(1, entityRef("url", "host", "id", "name")), scopeSpans(span(ids(1)))))
	f.Fuzz(func(t *testing.T, body []byte) { checkFilter(t, body) })
}

// FuzzJSON holds FromJSON against pdata and encoding/json for any bytes.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(jsonSpan(`,"kind":2`)))
	f.Add([]byte(jsonEntities))
	f.Fuzz(func(t *testing.T, body []byte) { checkJSON(t, body) })
}

// snakeKey may be a key that pdata knows and FromJSON does not, or an escaped one.
var snakeKey = regexp.MustCompile(`_|Strindex|\\u005[fF]|batches|resourceMetrics|resourceLogs|instrumentationLibrarySpans`)

// threeHalves are surrogates that pdata pairs wrongly.
var threeHalves = regexp.MustCompile(`(\\u[dD][89a-fA-F][0-9a-fA-F]{2}){3}`)

// emptyKey is where pdata takes the object for finished.
var emptyKey = regexp.MustCompile(`""[ \t\r\n]*:`)

// checkJSON allows the differences that FromJSON documents, each where it is.
func checkJSON(f fails, body []byte) {
	f.Helper()
	var l Limits
	before := slices.Clone(body)
	out, err := l.FromJSON(nil, body)
	if !bytes.Equal(before, body) {
		f.Fatalf("the request was written to")
	}
	req, perr := pdataFromJSON(body)
	if err != nil {
		var se *scanError
		if !errors.As(err, &se) || se.offset < 0 || se.offset > len(body) {
			f.Fatalf("bad error %v", err)
		}
		if perr == nil && json.Valid(body) && !emptyKey.Match(body) && !stricterJSON(se, body) {
			f.Fatalf("FromJSON says %v, pdata accepts", err)
		}
		return
	}
	if !json.Valid(body) {
		f.Fatalf("FromJSON accepts what is not JSON")
	}
	n, err := l.Walk(out, func(*Span) {})
	if err != nil {
		f.Fatalf("FromJSON accepts and makes %x, which is refused: %v", out, err)
	}
	checkFilter(f, out)
	if snakeKey.Match(body) || threeHalves.Match(body) || emptyKey.Match(body) {
		return
	}
	if perr != nil {
		if !looserJSON(perr, body, n.Invalid) {
			f.Fatalf("FromJSON accepts, pdata says %v", perr)
		}
		return
	}
	same := ptraceotlp.NewExportRequest()
	if err := same.UnmarshalProto(out); err != nil {
		f.Fatalf("pdata refuses the result: %v", err)
	}
	got, _ := same.MarshalProto()
	want, _ := req.MarshalProto()
	if !bytes.Equal(got, want) {
		f.Fatalf("decoded, the requests differ\ngot  %x\nwant %x", got, want)
	}
}

func pdataFromJSON(body []byte) (req ptraceotlp.ExportRequest, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	req = ptraceotlp.NewExportRequest()
	err = req.UnmarshalJSON(body)
	return req, err
}

// stricterJSON says whether FromJSON may refuse what is JSON and pdata accepts.
func stricterJSON(e *scanError, body []byte) bool {
	at := body[e.offset:]
	if strings.HasPrefix(string(e.what), "key ") {
		return true // lostJSON
	}
	switch e.what {
	case badNumber, notUTF8, nestedJSON, nestedValues, manyAttributes, manyContainers, manySpans:
		return true
	case enumText:
		return bytes.HasPrefix(at, []byte(`"SPAN_KIND_`)) || bytes.HasPrefix(at, []byte(`"STATUS_CODE_`)) || bytes.HasPrefix(at, []byte(`"\u`))
	case badHex: // quotes within the quotes
		return bytes.HasPrefix(at, []byte(`"\"`)) || bytes.HasPrefix(at, []byte(`"\u0022`))
	case badBase64: // line breaks
		return bytes.Contains(at, []byte(`\n`)) || bytes.Contains(at, []byte(`\r`)) || bytes.Contains(at, []byte(`\u000`))
	case notJSON:
		return string(bytes.TrimSpace(body)) == "null"
	}
	return false
}

// looserJSON says whether FromJSON may accept what pdata refuses, for an identifier
// of the wrong length only when it made spans invalid.
func looserJSON(err error, body []byte, invalid int) bool {
	for _, reason := range []string{"ID.UnmarshalJSONIter: length mismatch", "odd length hex string"} {
		if strings.Contains(err.Error(), reason) {
			return invalid > 0
		}
	}
	for _, reason := range []string{"base64 decode", "readNumberAsString: invalid number"} {
		if strings.Contains(err.Error(), reason) {
			return true
		}
	}
	if bytes.Contains(body, []byte("null")) {
		return strings.Contains(err.Error(), "unsupported value type") || strings.Contains(err.Error(), "ReadBool")
	}
	return false
}
