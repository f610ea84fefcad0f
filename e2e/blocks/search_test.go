package blocks

import (
	"bufio"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed testdata/queries.txt
var queryList string

// queries are those of testdata, or with hours all of the corpus.
func queries(t testing.TB) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(queryList) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	if long() {
		all = append(all, corpusQueries(t)...)
	}
	return all
}

// corpusQueries are the queries of the corpus that have one answer.
func corpusQueries(t testing.TB) (all []string) {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "testdata", "conformance", "open.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var request struct {
			Stable bool        `json:"stable"`
			Query  [][2]string `json:"query"`
		}
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			t.Fatal(err)
		}
		for _, kv := range request.Query {
			query := strings.TrimSpace(kv[1])
			if kv[0] != "q" && kv[0] != "query" || !request.Stable || seen[query] || query == "" || chance(query) {
				continue
			}
			seen[query] = true
			all = append(all, query)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// chance says whether an answer depends on chance: ties, and samples of spans. A
// query of several lines is left out too.
func chance(query string) bool {
	for _, part := range []string{"topk", "bottomk", "sample=", "\n"} {
		if strings.Contains(query, part) {
			return true
		}
	}
	return false
}

// empty says whether an answer is an error, or has nothing in it.
func empty(answer string) bool {
	return strings.HasPrefix(answer, `{"error"`) ||
		strings.HasSuffix(answer, `"traces":[]}`) || strings.HasSuffix(answer, `"series":[]}`)
}

// mustFindTheSame asks two blocks all queries.
func (s *storage) mustFindTheSame(t *testing.T, in *input, want, got string) {
	t.Helper()
	all := queries(t)
	var flags []string
	if in.wild { // the times of its spans are anything
		flags = []string{"-start", "1", "-end", "4294967295"}
	}
	ask := func(block string) []string {
		return s.lines(t, "search", strings.NewReader(strings.Join(all, "\n")), flags, block)
	}
	answers := ask(want)
	if len(answers) != len(all) {
		t.Fatalf("%d queries have %d answers", len(all), len(answers))
	}
	mustEqualLines(t, answers, ask(got))
	if in.name != "conformance" {
		return
	}
	for i, a := range answers { // a list of queries that find nothing shows nothing
		if !long() && empty(a) {
			t.Errorf("the query %s finds nothing: %.200s", all[i], a)
		}
	}
}
