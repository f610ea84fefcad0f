package read

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"appliance/internal/querier"
)

// Whatever is in a block, reading it must neither end the process nor take the
// answer of the other blocks away.
func TestDamagedBytesCostOnlyTheirBlock(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 20
	}
	a := newArchive(t)
	bad := a.real27(t)[0]
	a.write(t, tenant, makeTrace(5000, "api", 0))
	file := a.file(tenant, bad, "data.parquet")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
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
		if err := os.WriteFile(file, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		q := querier.New(querier.Options{Archive: New(a.store)})
		for _, query := range []string{`{}`, `{ .order.id = 42 } | select(.http.response.status_code, name)`, `{} >> { name =~ "op.*" }`} {
			got := search(t, q, query)
			named += len(got.Missing)
			found := false
			for _, tr := range got.Traces {
				found = found || tr.RootService == "api"
			}
			if query == "{}" && !found {
				t.Errorf("round %d, %s: the trace of the whole block is not found", round, query)
			}
			for _, m := range got.Missing {
				if !strings.Contains(m, bad) {
					t.Errorf("round %d: %s", round, m)
				}
				if strings.Contains(m, "fault of ours") {
					t.Logf("round %d, %s: %s", round, query, m)
				}
			}
		}
		for i := range 10 {
			named += len(find(t, q, tenant, i*10).Missing)
		}
		if got := find(t, q, tenant, 5000); len(spanIDs(got.Trace)) != 1 {
			t.Errorf("round %d: the trace of the whole block: %v", round, got)
		}
		q.Close() // each has threads of its own
	}
	if named == 0 {
		t.Error("no damage was ever noticed")
	}
	t.Logf("in %d rounds a block was named missing %d times", rounds, named)
}
