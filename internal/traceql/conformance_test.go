package traceql

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const conformanceDir = "../../e2e/testdata/conformance"

// answered is a line of the record: a request, and what a real Tempo answered.
type answered struct {
	ID       string      `json:"id"`
	Category string      `json:"category"`
	Method   string      `json:"method"`
	Path     string      `json:"path"`
	Query    [][2]string `json:"query"`
	Status   int         `json:"status"`
	Body     any         `json:"body"`
	Stable   bool        `json:"stable"`
	Note     string      `json:"note"`
	OneBlock any         `json:"oneBlock"`
}

func (r *answered) param(name string) string {
	for _, p := range r.Query {
		if p[0] == name {
			return p[1]
		}
	}
	return ""
}

func (r *answered) number(name string, otherwise int) int {
	if n, err := strconv.Atoi(r.param(name)); err == nil {
		return n
	}
	return otherwise
}

func gunzip(t testing.TB, path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// conformanceBatch has all spans of the record's dataset, conformanceParts those
// of its two parts, as the Tempo had them that was recorded.
var conformanceBatch = sync.OnceValue(func() *MemoryBatch { return readConformance(1, 2) })

var conformanceParts = sync.OnceValue(func() []*MemoryBatch {
	return []*MemoryBatch{readConformance(1), readConformance(2)}
})

func readConformance(parts ...int) *MemoryBatch {
	b, err := NewMemoryBatch(conformanceRequests(parts...)...)
	if err != nil {
		panic(err)
	}
	return b
}

func conformanceRequests(parts ...int) (requests [][]byte) {
	var patterns []string
	for _, p := range parts {
		patterns = append(patterns, fmt.Sprintf("main/part-%d-*", p), fmt.Sprintf("edge/part-%d*", p))
	}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(conformanceDir, pattern))
		if err != nil || len(paths) == 0 {
			panic("no files " + pattern)
		}
		sort.Strings(paths)
		for _, p := range paths {
			f, err := os.Open(p)
			if err != nil {
				panic(err)
			}
			z, err := gzip.NewReader(f)
			if err != nil {
				panic(err)
			}
			b, err := io.ReadAll(z)
			if err != nil {
				panic(err)
			}
			f.Close()
			requests = append(requests, b)
		}
	}
	return requests
}

func record(t testing.TB) []answered {
	var out []answered
	lines := bufio.NewScanner(strings.NewReader(string(gunzip(t, filepath.Join(conformanceDir, "open.jsonl.gz")))))
	lines.Buffer(nil, 64<<20)
	for first := true; lines.Scan(); first = false {
		if first {
			continue
		}
		var r answered
		d := json.NewDecoder(strings.NewReader(lines.Text()))
		d.UseNumber()
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		r.Body, r.OneBlock = rounded(r.Body), rounded(r.OneBlock)
		out = append(out, r)
	}
	return out
}

// TestConformance evaluates each request of the record. An answer is equal to
// Tempo's, or testdata/differences.txt says why it is not.
func TestConformance(t *testing.T) {
	listed := differencesOf(t, "testdata/differences.txt")
	equal, all := 0, 0
	for _, r := range record(t) {
		if !r.Stable || r.Note != "" || !strings.HasPrefix(r.Category, os.Getenv("CATEGORY")) || r.otherReason() {
			continue
		}
		got, err, ok := evaluate(t, &r)
		if !ok {
			continue
		}
		all++
		diff := r.compare(got, err)
		_, known := listed[r.ID]
		delete(listed, r.ID)
		switch {
		case diff == "":
			equal++
			if known {
				t.Errorf("%s is equal, and is in the list of differences: %s", r.ID, r.param("q"))
			}
		case !known:
			t.Errorf("%s %s %s %s %v\n      %s", r.ID, r.Category, r.Path, r.param("q"), r.Query, diff)
		}
	}
	t.Logf("%d of %d equal", equal, all)
	if os.Getenv("CATEGORY") == "" {
		for id := range listed {
			t.Errorf("%s is in the list of differences, and not in the record", id)
		}
	}
}

// compare says where the answer differs first, or "".
func (r *answered) compare(got any, err error) string {
	switch {
	case r.Status >= 400 && err == nil:
		return "want status " + strconv.Itoa(r.Status) + ": " + cut(encoded(r.Body))
	case r.Status >= 400:
		return ""
	case err != nil:
		return "refused: " + err.Error()
	}
	diff := difference(r.Body, got, "")
	if diff != "" && r.OneBlock != nil {
		return difference(r.OneBlock, got, "")
	}
	return diff
}

// otherReason says that a request is refused before it is evaluated, or that a
// later version of the language accepts it.
func (r *answered) otherReason() bool {
	body, _ := r.Body.(string)
	switch {
	case strings.Contains(body, "expecting = or !=") && strings.Contains(r.param("q"), "nil"):
		return true
	case strings.HasPrefix(r.Category, "invalid/parameters"), r.param("tags") != "":
		return true
	case strings.HasPrefix(r.Category, "search/start end") && r.Status == 400:
		return true
	case strings.HasPrefix(r.Path, "/api/metrics/") && (r.param("q") == "" ||
		r.param("step") == "" && strings.HasSuffix(r.Path, "query_range")):
		return true
	default:
		return r.Path == "/api/v2/search/tag/parent/values"
	}
}

// differencesOf reads a list of answers: their ids, with a word each.
func differencesOf(t testing.TB, list string) map[string]string {
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if id, why, ok := strings.Cut(strings.TrimSpace(line), " "); ok && id != "#" {
			out[id] = why
		}
	}
	return out
}
