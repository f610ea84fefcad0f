package read

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"
	"github.com/grafana/tempo/tempodb/encoding/vparquet2"
	"github.com/grafana/tempo/tempodb/encoding/vparquet3"
	"github.com/grafana/tempo/tempodb/encoding/vparquet4"
	"google.golang.org/protobuf/encoding/protowire"
)

func mustFind(t *testing.T, r *Reader, tenant string, id []byte) *tempopb.TraceByIDResponse {
	t.Helper()
	resp, missing, err := r.FindTrace(t.Context(), tenant, id, 0, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(missing) > 0 || resp.Status != tempopb.PartialStatus_COMPLETE {
		t.Fatalf("%s %s, missing %v", resp.Status, resp.Message, missing)
	}
	return resp
}

func TestEveryTraceOfTempo27IsFound(t *testing.T) {
	a := newArchive(t)
	a.real27(t, tenant)
	r := New(a.store, Options{})
	for i := range 250 {
		resp := mustFind(t, r, tenant, idOf(i))
		want := []string{fmt.Sprintf("%x", spanID(i, 0)), fmt.Sprintf("%x", spanID(i, 1)), fmt.Sprintf("%x", spanID(i, 2))}
		slices.Sort(want)
		if got := spanIDs(resp.Trace); !slices.Equal(got, want) { // traces 150 to 199 stand in two blocks
			t.Fatalf("trace %d has the spans %v, want %v", i, got, want)
		}
		root := resp.Trace.ResourceSpans[0]
		if service := root.Resource.Attributes[0].Value.GetStringValue(); service != []string{"shop", "billing", "search"}[i%3] && root.Resource.Attributes[1].Value.GetStringValue() != []string{"shop", "billing", "search"}[i%3] {
			t.Errorf("trace %d is of service %q", i, service)
		}
	}
	if resp := mustFind(t, r, tenant, idOf(250)); resp.Trace != nil {
		t.Errorf("a trace that was never sent is found: %v", resp.Trace)
	}
}

func TestATraceIsPutTogetherOfAllBlocks(t *testing.T) {
	a := newArchive(t)
	a.write(t, tenant, vparquet4.VersionString, makeTrace(1, "a", 0, 1), makeTrace(2, "a", 0))
	a.write(t, tenant, vparquet4.VersionString, makeTrace(3, "a", 0))
	a.write(t, tenant, vparquet3.VersionString, makeTrace(1, "a", 1, 2))
	a.write(t, tenant, vparquet2.VersionString, makeTrace(1, "b", 3))
	a.write(t, "other", vparquet4.VersionString, makeTrace(1, "a", 4))
	r := New(a.store, Options{})
	want := spanIDs(makeTrace(1, "a", 0, 1, 2, 3))
	if got := spanIDs(mustFind(t, r, tenant, idOf(1)).Trace); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := spanIDs(mustFind(t, r, "other", idOf(1)).Trace); !slices.Equal(got, spanIDs(makeTrace(1, "a", 4))) {
		t.Errorf("another tenant's trace is %v", got)
	}
	if resp := mustFind(t, r, "nobody", idOf(1)); resp.Trace != nil || len(r.tenants) != 2 {
		t.Errorf("tenant nobody has %v; %d tenants are remembered", resp.Trace, len(r.tenants))
	}
}

func TestAShortTraceIDIsPadded(t *testing.T) {
	a := newArchive(t)
	tr := makeTrace(1, "a", 0)
	id := append(make([]byte, 8), 0, 0, 0, 0, 0, 0, 0xab, 0xcd)
	for s := range spans(tr) {
		s.TraceId = id
	}
	a.write(t, tenant, vparquet4.VersionString, tr)
	r := New(a.store, Options{})
	for _, id := range [][]byte{{0xab, 0xcd}, {0, 0, 0, 0, 0, 0, 0xab, 0xcd}, id} {
		if mustFind(t, r, tenant, id).Trace == nil {
			t.Errorf("%x is not found", id)
		}
	}
	for _, id := range [][]byte{nil, bytes.Repeat([]byte{1}, 17)} {
		if _, _, err := r.FindTrace(t.Context(), tenant, id, 0, 0, nil); !errors.As(err, new(*RequestError)) {
			t.Errorf("an id of %d bytes: %v", len(id), err)
		}
	}
}

func TestOnlyCommittedBlocksAreRead(t *testing.T) {
	a := newArchive(t)
	block := writeBlock(t, a.path, tenant, vparquet4.VersionString, 100_000, []*tempopb.Trace{makeTrace(1, "a", 0)})
	a.write(t, tenant, vparquet4.VersionString, makeTrace(2, "a", 0))
	r := New(a.store, Options{})
	if mustFind(t, r, tenant, idOf(1)).Trace != nil {
		t.Error("a block without a manifest is read")
	}
	a.commit(t, tenant, block)
	expire(r)
	if mustFind(t, r, tenant, idOf(1)).Trace == nil {
		t.Error("a block that was committed since is not read")
	}
	if err := os.RemoveAll(a.file(tenant, block, "")); err != nil {
		t.Fatal(err)
	}
	expire(r)
	if mustFind(t, r, tenant, idOf(1)).Trace != nil || len(r.tenants[tenant].known) != 1 {
		t.Error("a block that was pruned is still there")
	}
}

// expire makes the reader list the blocks again.
func expire(r *Reader) { r.tenant(tenant).asOf = time.Time{} }

func TestABlockPrunedDuringTheSearchIsNotMissing(t *testing.T) {
	a := newArchive(t)
	block := a.write(t, tenant, vparquet4.VersionString, makeTrace(1, "a", 0))
	r := New(a.store, Options{Refresh: time.Hour})
	mustFind(t, r, tenant, idOf(1))
	if err := os.RemoveAll(a.file(tenant, block, "")); err != nil {
		t.Fatal(err)
	}
	if mustFind(t, r, tenant, idOf(1)).Trace != nil {
		t.Error("a block that was pruned is still there")
	}
	found, missing, err := r.Search(t.Context(), tenant, &tempopb.SearchRequest{Query: `{}`}, nil, nil)
	if err != nil || len(found.Traces) > 0 || len(missing) > 0 {
		t.Errorf("%v, missing %v, %v", found, missing, err)
	}
}

func TestTheWindowChoosesBlocks(t *testing.T) {
	a := newArchive(t)
	early := a.write(t, tenant, vparquet4.VersionString, makeTrace(1, "a", 0), makeTrace(10, "a", 0))
	late := a.write(t, tenant, vparquet4.VersionString, makeTrace(20, "a", 0), makeTrace(30, "a", 0))
	r := New(a.store, Options{})
	at := func(n int64) int64 { return day.Unix() + n }
	for _, c := range []struct {
		w    window
		want []string
	}{
		{window{}, []string{late, early}},
		{window{start: at(10), end: at(20)}, []string{late, early}},
		{window{start: at(11), end: at(19)}, nil},
		{window{start: at(0), end: at(15)}, []string{early}},
		{window{skip: func(b string) bool { return b == late }}, []string{early}},
	} {
		blocks, _, err := r.blocks(t.Context(), tenant, c.w)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, b := range blocks {
			got = append(got, b.id.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.w, got, c.want)
		}
	}
}

func TestADamagedBlockCostsOnlyItself(t *testing.T) {
	for name, damage := range map[string]func(*testing.T, string) string{
		"meta.json":         func(t *testing.T, text string) string { return text[:len(text)/2] },
		"unknown format":    func(t *testing.T, text string) string { return strings.Replace(text, "vParquet4", "vParquet9", 1) },
		"bloom-0":           func(t *testing.T, data string) string { return data[:1000] },
		"bloom-0 absurd":    func(t *testing.T, data string) string { return strings.Repeat("\xff", len(data)) },
		"data.parquet":      func(t *testing.T, data string) string { return data[:len(data)-100] },
		"data.parquet zero": func(t *testing.T, data string) string { return strings.Repeat("\x00", len(data)) },
		"manifest.json":     func(t *testing.T, text string) string { return text[1:] },
	} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t)
			bad := a.write(t, tenant, vparquet4.VersionString, makeTrace(1, "a", 0))
			a.write(t, tenant, vparquet4.VersionString, makeTrace(1, "a", 1))
			file, _, _ := strings.Cut(name, " ")
			if name == "unknown format" {
				file = "meta.json"
			}
			data, err := os.ReadFile(a.file(tenant, bad, file))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(a.file(tenant, bad, file), []byte(damage(t, string(data))), 0o644); err != nil {
				t.Fatal(err)
			}
			resp, missing, err := New(a.store, Options{}).FindTrace(t.Context(), tenant, idOf(1), 0, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := spanIDs(resp.Trace); !slices.Equal(got, spanIDs(makeTrace(1, "a", 1))) {
				t.Errorf("the other block's spans: %v", got)
			}
			if len(missing) != 1 || resp.Status != tempopb.PartialStatus_PARTIAL || !strings.Contains(resp.Message, bad) {
				t.Errorf("%s %q, missing %v", resp.Status, resp.Message, missing)
			}
			t.Log(resp.Message)
		})
	}
}

func TestATraceThatIsTooLargeIsCut(t *testing.T) {
	a := newArchive(t)
	for n := range 4 {
		tr := makeTrace(1, "a", n)
		tr.ResourceSpans[0].Resource.Attributes = append(tr.ResourceSpans[0].Resource.Attributes, text("big", strings.Repeat("x", 10_000)))
		a.write(t, tenant, vparquet4.VersionString, tr)
	}
	resp, missing, err := New(a.store, Options{MaxTraceBytes: 15_000}).FindTrace(t.Context(), tenant, idOf(1), 0, 0, nil)
	if err != nil || len(missing) > 0 {
		t.Fatal(missing, err)
	}
	if got := len(spanIDs(resp.Trace)); got < 1 || got > 2 || resp.Status != tempopb.PartialStatus_PARTIAL {
		t.Errorf("%d spans, %s %s", got, resp.Status, resp.Message)
	}
}

func TestABlockWithTooManySpansOfATraceIsLeftOut(t *testing.T) {
	a := newArchive(t)
	many := a.write(t, tenant, vparquet4.VersionString, makeTrace(1, "a", 0, 1, 2, 3, 4, 5), makeTrace(2, "a", 0))
	a.write(t, tenant, vparquet4.VersionString, makeTrace(1, "a", 6, 7, 8, 9), makeTrace(3, "a", 0, 1, 2))
	r := New(a.store, Options{MaxTraceSpans: 5})
	resp, missing, err := r.FindTrace(t.Context(), tenant, idOf(1), 0, 0, nil)
	if err != nil || !slices.Equal(spanIDs(resp.Trace), spanIDs(makeTrace(1, "a", 6, 7, 8, 9))) {
		t.Errorf("%v %v", resp, err)
	}
	if len(missing) != 1 || !errors.Is(missing[0], ErrTooMuch) || !strings.Contains(resp.Message, many) || resp.Status != tempopb.PartialStatus_PARTIAL {
		t.Errorf("%s %s, missing %v", resp.Status, resp.Message, missing)
	}
	mustFind(t, r, tenant, idOf(2))
	mustFind(t, r, tenant, idOf(3))
}

// The answer is valid protobuf whatever was combined.
func TestTheAnswerCanBeSent(t *testing.T) {
	a := newArchive(t)
	a.real27(t, tenant)
	data, err := mustFind(t, New(a.store, Options{}), tenant, idOf(160)).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, n := protowire.ConsumeField(data); n < 0 {
		t.Fatal(protowire.ParseError(n))
	}
}
