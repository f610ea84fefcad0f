package read

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// The blocks of testdata overlap: traces 150 to 199 stand in two of them, with
// spans of the same ids that have other times. What differs is kept.
func TestEveryTraceOfTempo27IsFound(t *testing.T) {
	a := newArchive(t)
	a.real27(t)
	q := querierOf(t, New(a.store))
	for i := range 250 {
		want := []string{fmt.Sprintf("%x", spanID(i, 0)), fmt.Sprintf("%x", spanID(i, 1)), fmt.Sprintf("%x", spanID(i, 2))}
		if i >= 150 && i < 200 {
			want = append(want, want...)
		}
		slices.Sort(want)
		if got := spanIDs(mustFind(t, q, tenant, i)); !slices.Equal(got, want) {
			t.Fatalf("trace %d has the spans %v, want %v", i, got, want)
		}
	}
	if tr := mustFind(t, q, tenant, 250); tr != nil {
		t.Errorf("a trace that was never sent is found: %v", tr)
	}
	for text, want := range map[string]int{"{}": 250, "{} | count() = 3": 200, "{} | count() = 6": 50} {
		got := search(t, q, text)
		if len(got.Traces) != want || len(got.Missing) > 0 {
			t.Errorf("%s finds %d traces, want %d; missing %v", text, len(got.Traces), want, got.Missing)
		}
	}
}

func search(t testing.TB, q readapi.Engine, text string) *readapi.SearchAnswer {
	t.Helper()
	query, err := traceql.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := q.Search(t.Context(), readapi.SearchRequest{Tenant: tenant, Query: query, Limit: 1000}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestATraceIsPutTogetherOfAllBlocks(t *testing.T) {
	a := newArchive(t)
	a.write(t, tenant, makeTrace(1, "a", 0, 1), makeTrace(2, "a", 0))
	a.write(t, tenant, makeTrace(3, "a", 0))
	a.write(t, tenant, makeTrace(1, "a", 1, 2))
	a.write(t, tenant, makeTrace(1, "b", 3))
	a.write(t, "other", makeTrace(1, "a", 4))
	r := New(a.store)
	q := querierOf(t, r)
	if got, want := spanIDs(mustFind(t, q, tenant, 1)), spanIDs(makeTrace(1, "a", 0, 1, 2, 3)); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := spanIDs(mustFind(t, q, "other", 1)); !slices.Equal(got, spanIDs(makeTrace(1, "a", 4))) {
		t.Errorf("another tenant's trace is %v", got)
	}
	if tr := mustFind(t, q, "nobody", 1); tr != nil || len(r.tenants) != 2 {
		t.Errorf("tenant nobody has %v; %d tenants are remembered", tr, len(r.tenants))
	}
}

func TestOnlyCommittedBlocksAreRead(t *testing.T) {
	a := newArchive(t)
	id := a.writeBlock(t, tenant, []*tracePB{makeTrace(1, "a", 0)})
	a.write(t, tenant, makeTrace(2, "a", 0))
	r := New(a.store)
	q := querierOf(t, r)
	if mustFind(t, q, tenant, 1) != nil {
		t.Error("a block without a manifest is read")
	}
	a.commit(t, tenant, id, nil)
	expire(r)
	if mustFind(t, q, tenant, 1) == nil {
		t.Error("a block that was committed since is not read")
	}
	if err := os.RemoveAll(a.file(tenant, id, "")); err != nil {
		t.Fatal(err)
	}
	expire(r)
	if mustFind(t, q, tenant, 1) != nil || len(r.tenants[tenant].known) != 1 {
		t.Error("a block that was pruned is still there")
	}
}

// expire makes the reader list the blocks again.
func expire(r *Reader) { r.tenant(tenant).asOf = time.Time{} }

// Who has seen that a block was deleted elsewhere asks for a list that was begun after that.
func TestAListIsAsNewAsAsked(t *testing.T) {
	a := newArchive(t)
	a.write(t, tenant, makeTrace(1, "a", 0))
	r := New(a.store)
	r.listAge = time.Hour
	before := time.Now()
	count := func(after time.Time) int {
		blocks, _, err := r.Blocks(t.Context(), tenant, after)
		if err != nil {
			t.Fatal(err)
		}
		return len(blocks)
	}
	first := count(before)
	a.write(t, tenant, makeTrace(2, "a", 0))
	if kept, fresh := count(before), count(time.Now()); first != 1 || kept != 1 || fresh != 2 {
		t.Errorf("lists of %d, %d and %d blocks, want 1, 1 and 2", first, kept, fresh)
	}
}

func TestABlockPrunedDuringTheSearchIsNotMissing(t *testing.T) {
	a := newArchive(t)
	id := a.write(t, tenant, makeTrace(1, "a", 0))
	r := New(a.store)
	r.listAge = time.Hour
	if blocks, _, err := r.Blocks(t.Context(), tenant, time.Time{}); err != nil || len(blocks) != 1 {
		t.Fatal(blocks, err)
	}
	if err := os.RemoveAll(a.file(tenant, id, "")); err != nil {
		t.Fatal(err)
	}
	q := querierOf(t, r)
	if mustFind(t, q, tenant, 1) != nil {
		t.Error("a block that was pruned is still there")
	}
	if got := search(t, q, "{}"); len(got.Traces) > 0 || len(got.Missing) > 0 {
		t.Errorf("%v", got)
	}
}

func TestADamagedBlockCostsOnlyItself(t *testing.T) {
	for name, damage := range map[string]func(text string) string{
		"meta.json":         func(text string) string { return text[:len(text)/2] },
		"unknown format":    func(text string) string { return strings.Replace(text, "vParquet4", "vParquet9", 1) },
		"bloom-0":           func(data string) string { return data[:20] },
		"bloom-0 absurd":    func(data string) string { return strings.Repeat("\xff", len(data)) },
		"data.parquet":      func(data string) string { return data[:len(data)-100] },
		"data.parquet zero": func(data string) string { return strings.Repeat("\x00", len(data)) },
		"manifest.json":     func(text string) string { return text[1:] },
	} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t)
			bad := a.write(t, tenant, makeTrace(1, "a", 0))
			a.write(t, tenant, makeTrace(1, "a", 1))
			file, _, _ := strings.Cut(name, " ")
			if name == "unknown format" {
				file = "meta.json"
			}
			data, err := os.ReadFile(a.file(tenant, bad, file))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(a.file(tenant, bad, file), []byte(damage(string(data))), 0o600); err != nil {
				t.Fatal(err)
			}
			q := querierOf(t, New(a.store))
			answer := find(t, q, tenant, 1)
			if got := spanIDs(answer.Trace); !slices.Equal(got, spanIDs(makeTrace(1, "a", 1))) {
				t.Errorf("the other block's spans: %v", got)
			}
			if len(answer.Missing) != 1 || !strings.Contains(answer.Missing[0], bad) {
				t.Errorf("missing %v", answer.Missing)
			}
			if got := search(t, q, "{}"); !strings.HasPrefix(name, "bloom") &&
				(len(got.Traces) != 1 || len(got.Missing) != 1 || !strings.Contains(got.Missing[0], bad)) {
				t.Errorf("a search finds %v, missing %v", got.Traces, got.Missing)
			}
			t.Log(answer.Missing)
		})
	}
}
