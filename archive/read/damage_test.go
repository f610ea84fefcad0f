package read

import (
	"context"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"
	"github.com/grafana/tempo/tempodb/encoding/vparquet4"
)

// Tempo's decoders were written for files that are whole. Whatever is in a block, reading it must neither end the
// process nor take the answer of the other blocks away.
func TestDamagedBytesCostOnlyTheirBlock(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	a := newArchive(t)
	bad := a.real27(t, tenant)[0]
	whole := makeTrace(5000, "api", 0)
	a.write(t, tenant, vparquet4.VersionString, whole)
	path := a.file(tenant, bad, "data.parquet")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	r := New(a.store, Options{})
	named := 0
	for round := range rounds {
		damaged := []byte(string(data))
		switch round % 4 {
		case 0: // one bit anywhere
			damaged[rng.IntN(len(damaged))] ^= 1 << rng.IntN(8)
		case 1: // one byte of the footer
			damaged[len(damaged)-8-rng.IntN(17456)] = byte(rng.Uint32())
		case 2: // a sector of noise
			at := rng.IntN(len(damaged) - 512)
			for i := range damaged[at : at+512] {
				damaged[at+i] = byte(rng.Uint32())
			}
		case 3: // a page of zeros
			at := rng.IntN(len(damaged) - 4096)
			clear(damaged[at : at+4096])
		}
		if err := os.WriteFile(path, damaged, 0o644); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		for _, query := range []string{`{}`, `{ .order.id = 42 } | select(.http.response.status_code, name)`, `{ .user != nil && name = "op-0" }`} {
			got, missing, err := r.Search(ctx, tenant, &tempopb.SearchRequest{Query: query, Limit: 1000}, nil, nil)
			if err != nil {
				t.Fatalf("round %d, %s: %v", round, query, err)
			}
			named += len(missing)
			found := false
			for _, tr := range got.Traces {
				found = found || tr.RootServiceName == "api"
			}
			if !found && !strings.Contains(query, "42") {
				t.Errorf("round %d, %s: the trace of the whole block is not found", round, query)
			}
		}
		for i := range 10 {
			_, missing, err := r.FindTrace(ctx, tenant, idOf(i*10), 0, 0, nil)
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			named += len(missing)
		}
		if got, _, err := r.FindTrace(ctx, tenant, traceID(whole), 0, 0, nil); err != nil || len(spanIDs(got.Trace)) != 1 {
			t.Errorf("round %d: the trace of the whole block: %v %v", round, got, err)
		}
		cancel()
	}
	if named == 0 {
		t.Error("no damage was ever noticed")
	}
	t.Logf("in %d rounds a block was named missing %d times", rounds, named)
}

func TestAPanicOfADecoderIsItsBlocksFault(t *testing.T) {
	a := newArchive(t)
	a.write(t, tenant, vparquet4.VersionString, makeTrace(1, "api", 0))
	bad := a.write(t, tenant, vparquet4.VersionString, makeTrace(2, "api", 0))
	r := New(a.store, Options{})
	blocks, _, err := r.blocks(t.Context(), tenant, window{})
	if err != nil {
		t.Fatal(err)
	}
	visited := 0
	missing, err := r.each(t.Context(), tenant, blocks, 1, func(_ context.Context, b *block, _ *openBlock) error {
		if b.id.String() == bad {
			panic("index out of range")
		}
		visited++
		return nil
	})
	if err != nil || visited != 1 || len(missing) != 1 || !strings.Contains(missing[0].Error(), bad) || !strings.Contains(missing[0].Error(), "damage_test.go:") {
		t.Errorf("visited %d, missing %v, %v", visited, missing, err)
	}
}
