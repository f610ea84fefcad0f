package e2e

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"appliance/e2e/internal/harness"
)

// growth is by how much bad input may raise the peak of the appliance's memory,
// however much of it there is. The bytes of requests under way are bounded
// (receiver.inflight_bytes, 64 MiB); a buffer that grows is there twice, and
// the garbage collector may double that. The worst seen is 230 MiB, with 16
// clients as with 48. Unguarded, the smallest of it would take a gibibyte.
const growth = 384 * mebi

// TestBadInput gives an appliance what a broken or hostile client might, each
// many times: the status is right, the process lives, its memory does not grow.
// TestConduct has everything else that can be wrong with a request.
func TestBadInput(t *testing.T) {
	a := harness.Start(t, harness.Options{})
	request, ids := harness.NewRequest("good", 5, 3)
	good, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	warmUp(t, a)
	before := harness.MemoryOf(t, a.Pid)

	zipped := gzipped(t, bytes.NewReader(good))
	for _, in := range []struct {
		name   string
		header http.Header
		body   func() io.Reader
		status int
		times  int
	}{
		{"wrong content type", http.Header{"Content-Type": {"text/plain"}}, of(good), 415, 20},
		{"not gzip", asGzip, of(good), 400, 20},
		{"truncated gzip", asGzip, of(zipped[:len(zipped)-20]), 400, 20},
		{"truncated protobuf", asProtobuf, of(good[:len(good)-7]), 400, 20},
		{"deep protobuf", asProtobuf, of(deepProtobuf(500_000)), 400, 10},
		{"deep json", asJSON, of(deepJSON(300_000)), 400, 10},
		{"100 MB of zeros in gzip", asGzip, of(gzipped(t, zeros(100*mebi))), 413, 20},
		{"1 GB of zeros in zstd", asZstd, of(zstandard(t, zeros(1024*mebi))), 413, 20},
		{"1 GB of zeros", asProtobuf, func() io.Reader { return zeros(1024 * mebi) }, 413, 2},
	} {
		t.Run(in.name, func(t *testing.T) {
			for range in.times {
				answer, err := a.Post(t.Context(), in.body(), in.header)
				if err != nil {
					t.Fatalf("no answer: %v", err)
				}
				if answer.Status != in.status {
					t.Fatalf("status %d, want %d: %q", answer.Status, in.status, answer.Body)
				}
			}
			if now := harness.MemoryOf(t, a.Pid); now.Peak > before.Peak+growth {
				t.Errorf("peak memory went from %d MiB to %d MiB", before.Peak/mebi, now.Peak/mebi)
			}
		})
	}
	t.Run("bombs at once", func(t *testing.T) {
		sendBombsAtOnce(t, a)
		if now := harness.MemoryOf(t, a.Pid); now.Peak > before.Peak+growth {
			t.Errorf("peak memory went from %d MiB to %d MiB", before.Peak/mebi, now.Peak/mebi)
		}
	})

	after := harness.MemoryOf(t, a.Pid)
	t.Logf("peak memory %d MiB before, %d MiB after; resident %d MiB before, %d MiB after",
		before.Peak/mebi, after.Peak/mebi, before.Resident/mebi, after.Resident/mebi)
	if answer, err := a.Post(t.Context(), bytes.NewReader(good), asProtobuf); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("a good request after all that: %v, %+v", err, answer)
	}
	a.MustFind(t, withSpans(ids, 3))
}

func sendBombsAtOnce(t *testing.T, a *harness.Appliance) {
	t.Helper()
	const clients, each = 16, 5
	bomb := gzipped(t, zeros(100*mebi))
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range each {
				answer, err := a.Post(t.Context(), bytes.NewReader(bomb), asGzip)
				if err != nil {
					t.Errorf("no answer: %v", err)
					return
				}
				// 503 is right as well: there is no memory now to unpack it in.
				if answer.Status != http.StatusRequestEntityTooLarge && answer.Status != http.StatusServiceUnavailable {
					t.Errorf("status %d: %q", answer.Status, answer.Body)
				}
			}
		})
	}
	all.Wait()
}

// warmUp makes the appliance allocate what any traffic makes it allocate.
func warmUp(t *testing.T, a *harness.Appliance) {
	t.Helper()
	for range 20 {
		r, _ := harness.NewRequest("warm-up", 100, 10)
		if answer, err := a.Export(t.Context(), r); err != nil || answer.Status != http.StatusOK {
			t.Fatalf("send: %v, %+v", err, answer)
		}
	}
}
