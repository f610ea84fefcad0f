package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"appliance/e2e/internal/harness"
)

// exchange is a request body and the answer that OTLP/HTTP, or the appliance's
// documentation, gives it.
type exchange struct {
	name     string
	header   http.Header
	body     func() io.Reader
	status   int
	kept     int   // spans that are kept, and reach the backend
	rejected int64 // spans that a 200 says were not taken
}

// TestConduct sends everything that can be wrong, or just unusual, with a
// request body to one appliance that may have 128 MiB.
func TestConduct(t *testing.T) {
	backend := harness.NewBackend(t)
	a := harness.Start(t, harness.Options{
		Env:    merged(backend.Env(), map[string]string{"APPLIANCE_METRICS_MAX_SERIES": strconv.Itoa(mostSeries)}),
		Cgroup: harness.NewMemoryCgroup(t, 128*mebi),
	})
	goroutines := a.Goroutines(t)

	kept := manyServices
	for _, e := range slices.Concat(mediaExchanges(t), protobufExchanges(t), sizeExchanges(t), jsonExchanges()) {
		kept += e.kept
		t.Run(e.name, func(t *testing.T) { e.hold(t, a, backend) })
	}
	t.Run("bombs at once", func(t *testing.T) { sendBombsAtOnce(t, a) })
	t.Run("a million services", func(t *testing.T) { sendManyServices(t, a) })

	// Nothing of what was refused follows later.
	a.Delivered(t, time.Minute)
	if got := backend.Spans(); got != kept {
		t.Errorf("%d spans at the backend in the end, want %d", got, kept)
	}

	harness.Eventually(t, 10*time.Second, "goroutines of the requests gone", func() error {
		// Some connections stay open, with two goroutines each.
		if now := a.Goroutines(t); now > goroutines+20 {
			return fmt.Errorf("there are %d, and were %d at first", now, goroutines)
		}
		return nil
	})
	const bound = 100 * mebi // as it says at its start
	if peak := harness.MemoryOf(t, a.Pid).Peak; peak > bound {
		t.Errorf("peak memory %d MiB, want at most %d", peak/mebi, bound/mebi)
	} else {
		t.Logf("peak memory %d MiB", peak/mebi)
	}
}

func (e exchange) hold(t *testing.T, a *harness.Appliance, backend *harness.Backend) {
	before, arrived := a.Account(t), backend.Spans()
	answer, err := a.Post(t.Context(), e.body(), e.header)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	if answer.Status != e.status {
		t.Fatalf("status %d, want %d: %q", answer.Status, e.status, answer.Body)
	}
	if e.status == http.StatusOK {
		e.holdAcceptance(t, answer)
	} else {
		e.holdRefusal(t, answer)
	}
	now := a.Account(t)
	if kept, rejected := now.Kept-before.Kept, now.Rejections()-before.Rejections(); kept != int64(e.kept) || rejected != e.rejected {
		t.Errorf("the ledger says that %d spans were kept and %d rejected, want %d and %d", kept, rejected, e.kept, e.rejected)
	}
	arrive(t, backend, arrived+e.kept)
}

// arrive waits until the backend has got so many spans. With none to come it
// says little; the ledger does.
func arrive(t *testing.T, backend *harness.Backend, want int) {
	t.Helper()
	harness.Eventually(t, patience, "spans at the backend", func() error {
		if got := backend.Spans(); got != want {
			return fmt.Errorf("%d, want %d", got, want)
		}
		return nil
	})
}

func (e exchange) isJSON() bool {
	return strings.HasPrefix(e.header.Get("Content-Type"), "application/json")
}

func (e exchange) holdAcceptance(t *testing.T, answer *harness.Answer) {
	t.Helper()
	var rejected int64
	var err error
	if e.isJSON() {
		rejected, err = rejectedJSON(answer.Body)
	} else {
		rejected, err = answer.Rejected()
	}
	if err != nil || rejected != e.rejected {
		t.Errorf("%d spans rejected, want %d: %v: %q", rejected, e.rejected, err, answer.Body)
	}
	if got, want := answer.Header.Get("Content-Type"), mediaType(e.header); got != want {
		t.Errorf("answer is %q, the request was %q", got, want)
	}
}

func rejectedJSON(body []byte) (int64, error) {
	var r struct {
		PartialSuccess struct {
			// int64 is a string in JSON, or a number
			RejectedSpans json.Number `json:"rejectedSpans"`
		} `json:"partialSuccess"`
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return 0, err
	}
	if r.PartialSuccess.RejectedSpans == "" {
		return 0, nil
	}
	return r.PartialSuccess.RejectedSpans.Int64()
}

// holdRefusal checks that a refusal is a google.rpc.Status with a reason, in
// the encoding of the request where that has one.
func (e exchange) holdRefusal(t *testing.T, answer *harness.Answer) {
	t.Helper()
	var s spb.Status
	var err error
	switch got := answer.Header.Get("Content-Type"); got {
	case harness.Protobuf:
		err = proto.Unmarshal(answer.Body, &s)
	case "application/json":
		err = json.Unmarshal(answer.Body, &s)
	default:
		t.Fatalf("refusal is %q: %q", got, answer.Body)
	}
	if err != nil || s.Message == "" {
		t.Errorf("refusal gives no reason: %v: %q", err, answer.Body)
	}
	if want := mediaType(e.header); want != "" && answer.Header.Get("Content-Type") != want {
		t.Errorf("refusal is %q, the request was %q", answer.Header.Get("Content-Type"), want)
	}
}

// mediaType is the type that an answer has to have, empty where the request has none of the two.
func mediaType(h http.Header) string {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	if kind == harness.Protobuf || kind == "application/json" {
		return kind
	}
	return ""
}

const (
	manyServices = 1_000_000
	mostSeries   = 50 // that are counted, with some 20 metrics each
)

// sendManyServices sends spans of as many services. What the appliance shows of
// them has to stay small.
func sendManyServices(t *testing.T, a *harness.Appliance) {
	const requests, each = 100, manyServices / 100
	for i := range requests {
		var body []byte
		for j := range each {
			name := embed(embed(nil, 1, []byte("service.name")), 2, embed(nil, 1, fmt.Appendf(nil, "service-%d-%d", i, j)))
			resourceSpans := embed(embed(nil, 1, embed(nil, 1, name)), 2, embed(nil, 2, spanOf(id16, randomBytes(8), "s")))
			body = embed(body, 1, resourceSpans)
		}
		answer, err := a.Post(t.Context(), bytes.NewReader(body), asProtobuf)
		if err != nil || answer.Status != http.StatusOK {
			t.Fatalf("send: %v, %+v", err, answer)
		}
	}
	if text, samples := a.Metrics(t); len(samples) > 3000 {
		t.Errorf("%d metrics in %d bytes after that", len(samples), len(text))
	}
}
