package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"appliance/e2e/internal/conformance"
	"appliance/e2e/internal/harness"
)

// TestRandom asks a stock Tempo and the appliance random queries about random
// spans. Each difference is a bug of one of them: of Tempo's docs/traceql.md has
// a line, and known says which one.
//
// RANDOM_QUERIES is how many are asked (300), RANDOM_SEED which ones (1).
func TestRandom(t *testing.T) {
	queries, seed := setting(t, "RANDOM_QUERIES", 300), setting(t, "RANDOM_SEED", 1)
	records := spanMaker{rand.New(rand.NewPCG(uint64(seed), 1))}.traces(150)
	stock := startTempoWith(t, records)
	ours := startApplianceWith(t, records)
	asker := &asker{t: t, words: map[string]int{}}
	asker.stock = asker.client("http://" + stock.http)
	asker.ours = asker.client("http://" + ours.Read)
	m := queryMaker{Rand: rand.New(rand.NewPCG(uint64(seed), 2))}
	for range queries {
		asker.compare(m.request())
	}
	t.Logf("measured: %s: of %d queries %d are refused by both, %d find something, differences: %v",
		t.Name(), queries, asker.refused, asker.found, asker.words)
	if asker.found < queries/4 {
		t.Errorf("only %d of %d queries find anything", asker.found, queries)
	}
}

func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s is not a number: %q", name, text)
	}
	return n
}

// startTempoWith starts a Tempo that has the spans in a block for searches, and in
// one for metrics.
func startTempoWith(t *testing.T, records [][]byte) *stock {
	t.Helper()
	dir := t.TempDir()
	var stream []byte
	for _, r := range records {
		stream = append(binary.AppendUvarint(stream, uint64(len(r))), r...)
	}
	for _, factor := range []string{"0", "1"} {
		create := exec.Command(harness.Peer(t, "tempo-blocks"),
			"create", "-replication-factor", factor, filepath.Join(dir, "blocks"), "single-tenant", "-")
		create.Stdin = bytes.NewReader(stream)
		if out, err := create.CombinedOutput(); err != nil {
			t.Fatalf("make a block of Tempo's: %v\n%s", err, out)
		}
	}
	return startTempoIn(t, dir)
}

// startApplianceWith starts an appliance that has the spans in one block.
func startApplianceWith(t *testing.T, records [][]byte) *harness.Appliance {
	t.Helper()
	o := harness.Options{DataDir: t.TempDir(), Env: map[string]string{
		"APPLIANCE_RETENTION": "876000h", "APPLIANCE_BLOCKS_MAX_WAIT": "10m",
	}}
	a := harness.Start(t, o)
	for _, r := range records {
		resp, err := http.Post(a.IntakeURL(), harness.Protobuf, bytes.NewReader(r))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || len(body) > 0 {
			t.Fatalf("spans are answered %s %q, %v", resp.Status, body, err)
		}
	}
	a.Stop(t) // which makes a block of them
	a = harness.Start(t, o)
	if s, err := a.Status(t.Context()); err != nil || s.Ledger.Pending != 0 || s.Store.Blocks != 1 {
		t.Fatalf("the spans are not in one block: %+v, %v", s, err)
	}
	return a
}

// request asks for spans, for series, or for the values of a tag.
func (m queryMaker) request() *conformance.Request {
	r := &conformance.Request{Method: http.MethodGet, Path: "/api/search"}
	start, end := randomBase-600, randomBase+randomRange+600
	kind := m.IntN(20)
	if m.one(6) && kind > 5 { // of metrics a Tempo loses spans where a step is as long as the range
		start = randomBase + m.IntN(randomRange/2)
		end = start + 1 + m.IntN(randomRange/2)
	}
	r.Query = [][2]string{{"start", strconv.Itoa(start)}, {"end", strconv.Itoa(end)}}
	switch kind {
	case 0:
		a := m.attributeOf([]sort{texts, ints, floats, bools, anything}[m.IntN(5)])
		r.Path = "/api/v2/search/tag/" + strings.NewReplacer("\"", "%22", " ", "%20").Replace(a) + "/values"
	case 1, 2, 3, 4, 5:
		r.Path = "/api/metrics/query_range"
		r.Query = append(r.Query, [2]string{"q", m.metric()}, [2]string{"step", m.pick("10s", "60s", "300s")})
	default:
		r.Query = append(r.Query, [2]string{"q", m.pipeline()}, [2]string{"limit", "1000"}, [2]string{"spss", "100"})
	}
	return r
}

// asker asks both.
type asker struct {
	t              *testing.T
	stock, ours    *conformance.Client
	refused, found int
	words          map[string]int // differences that are known, by their word
}

func (a *asker) client(url string) *conformance.Client {
	a.t.Helper()
	c, err := conformance.NewClient(url)
	if err != nil {
		a.t.Fatal(err)
	}
	c.Whole = true
	a.t.Cleanup(func() { c.Close() })
	return c
}

func (a *asker) compare(r *conformance.Request) {
	a.t.Helper()
	want, err := a.stock.Ask(a.t.Context(), r, 0)
	if err != nil {
		a.t.Fatalf("Tempo does not answer %s: %v", r, err)
	}
	got, err := a.ours.Ask(a.t.Context(), r, 0)
	if err != nil {
		a.t.Fatalf("the appliance does not answer %s: %v", r, err)
	}
	switch {
	case want.Status >= http.StatusInternalServerError && got.Status < http.StatusInternalServerError:
		a.words["refused"]++ // what Tempo's storage cannot be asked, says it
		return
	case got.Status == http.StatusBadRequest:
		a.refused++
	case fmt.Sprint(got.Body) != "map[]" && !strings.Contains(fmt.Sprint(got.Body), "[traces:[]]"):
		a.found++
	}
	if body, ok := want.Body.(map[string]any); ok { // of one block's traces any comes first
		delete(body, "_order")
	}
	if body, ok := got.Body.(map[string]any); ok {
		if order, ok := body["_order"]; ok && order == "none" {
			a.t.Errorf("%s: the traces are not sorted", r)
		}
		delete(body, "_order")
	}
	if strings.Contains(r.String(), "by(") || strings.Contains(r.String(), "coalesce()") {
		forgetRoots(want.Body)
		forgetRoots(got.Body)
	}
	leaveOutZeros(want.Body)
	leaveOutZeros(got.Body)
	difference := conformance.Differ(want, got)
	if difference == "" {
		return
	}
	a.t.Errorf("%s\n%s", r, difference)
}

// forgetRoots takes away what a Tempo forgets of a trace whose spans were grouped.
func forgetRoots(body any) {
	o, _ := body.(map[string]any)
	traces, _ := o["traces"].([]any)
	for _, t := range traces {
		if t, ok := t.(map[string]any); ok {
			for _, field := range []string{"rootServiceName", "rootTraceName", "durationMs", "startTimeUnixNano"} {
				delete(t, field)
			}
		}
	}
}

// leaveOutZeros takes away series without a sample that is not 0: a Tempo has one
// where nothing was found.
func leaveOutZeros(body any) {
	o, _ := body.(map[string]any)
	series, ok := o["series"].([]any)
	if !ok {
		return
	}
	o["series"] = slices.DeleteFunc(series, func(s any) bool {
		one, _ := s.(map[string]any)
		samples, _ := one["samples"].([]any)
		return one != nil && !slices.ContainsFunc(samples, func(sample any) bool {
			v, _ := sample.(map[string]any)
			return v["value"] != nil && fmt.Sprint(v["value"]) != "0"
		})
	})
}
