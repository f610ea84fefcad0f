package torture

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

const (
	// hostileAnswer is what an answer has at most, in bytes: a million numbers with
	// their times, and the labels of series.
	hostileAnswer = 128 << 20
	// hostilePatience is far above the minute that a query may take, and above
	// what it may wait for others.
	hostilePatience = 5 * time.Minute
)

// The time of the spans that a sender sends, and a little more.
var (
	hostileSince = time.Unix(1_795_876_200, 0)
	hostileUntil = time.Unix(1_795_885_200, 0)
)

// TestHostileQueries asks what is made to take for ever, or all memory, while spans
// come in. The kernel kills an appliance that wants more than the job's memory. Each
// question has an answer, which is bounded; no request with spans is refused, and
// each span is accounted for. The long form prints how much longer the requests with
// spans take meanwhile.
func TestHostileQueries(t *testing.T) {
	group := harness.NewMemoryCgroup(t, jobMemory)
	a := harness.Start(t, harness.Options{Cgroup: group, Env: map[string]string{
		"APPLIANCE_RETENTION": "876000h", // the spans have times of their own
	}})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s := newSender(a.IntakeURL(), times(2_000, 50_000))
	sending := make(chan error, 1)
	go func() { sending <- s.run(ctx) }()
	s.await(t, int64(times(20_000, 1_000_000))) // something to ask about

	base := "http://" + a.Read
	asked, refused := hostileQuestions()
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		ask(t, name, base+asked[name], http.StatusOK)
		if !a.Alive() {
			t.Fatalf("the appliance has ended: %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		ask(t, name, base+refused[name], http.StatusBadRequest)
	}
	t.Logf("the group had %d MiB at most", group.PeakMemory(t)>>20)
	askAtOnce(t, base, asked)
	if !a.Alive() {
		t.Fatal("the appliance has ended while all was asked at once")
	}
	var ratios []float64
	for range times(1, 5) {
		s.p99()
		wait(t, time.Duration(times(1, 8))*time.Second)
		quiet := s.p99()
		askOnAndOn(t, base, asked, time.Duration(times(2, 12))*time.Second)
		hostile := s.p99()
		ratios = append(ratios, float64(hostile)/float64(quiet))
		t.Logf("measured: %s: p99 of a request of spans: %s, with hostile queries %s",
			t.Name(), quiet, hostile)
	}
	stop()
	if err := <-sending; err != nil {
		t.Error(err)
	}
	slices.Sort(ratios)
	t.Logf("measured: %s: %d spans were taken; p99 with hostile queries is %.2f times the other in the median of %d rounds, %.2f; the group had %d MiB at most",
		t.Name(), s.sent, ratios[len(ratios)/2], len(ratios), ratios, group.PeakMemory(t)>>20)

	if !a.Alive() {
		t.Fatal("the appliance has ended")
	}
	if out := a.Output(); strings.Contains(out, "panic") {
		t.Errorf("something panicked:\n%s", out)
	}
	allThere(t, a, s.sent)
}

// allThere holds that the spans which were sent are accounted for, and found.
func allThere(t *testing.T, a *harness.Appliance, sent int64) {
	t.Helper()
	drained(t, a, 5*time.Minute)
	status, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if l := status.Ledger; l.Received != sent || l.Proven != sent {
		t.Errorf("%d spans were sent, the ledger has %+v", sent, l)
	}
	found, err := a.Count(t.Context(), `{ } | count_over_time()`, hostileSince, hostileUntil)
	if err != nil || found != float64(sent) {
		t.Errorf("%.0f of %d spans are found: %v", found, sent, err)
	}
}

// hostileQuestions are paths by a name: those that have an answer, and those that
// are refused.
func hostileQuestions() (asked, refused map[string]string) {
	asked, refused = map[string]string{}, map[string]string{}
	hours := between(hostileSince, hostileUntil)
	year := between(hostileUntil.AddDate(-1, 0, 0), hostileUntil)
	search := func(to map[string]string, name, q, more string) {
		to[name] = "/api/search?q=" + url.QueryEscape(q) + more
	}
	metrics := func(to map[string]string, name, q, more string) {
		to[name] = "/api/metrics/query_range?q=" + url.QueryEscape(q) + more
	}
	const many = "&limit=4294967296"

	search(asked, "exponents of 2^63", `{ 9223372036854775807 ^ 1 = 1 || 1 ^ 9223372036854775807 = 2 }`, hours)
	search(asked, "exponents that are attributes",
		`{ span.customer.id ^ 9223372036854775807 > 0 || 9223372036854775807 ^ span.customer.id > 0 }`, hours)
	search(asked, "divisions by zero",
		`{ span.customer.id / 0 = 1 || span.customer.id % 0 = 1 || 1 / (span.server.port - 8443) = 1 }`, hours)
	search(refused, "8 KiB of parentheses",
		"{ "+strings.Repeat("(", 4<<10)+"true"+strings.Repeat(")", 4<<10)+" }", hours)
	search(refused, "8 KiB of negations", "{ "+strings.Repeat("!", 8<<10)+"true }", hours)
	search(asked, "900 parentheses", "{ "+strings.Repeat("(", 900)+"span.customer.id > 7"+strings.Repeat(")", 900)+" }", hours)
	search(asked, "a chain of conditions", "{ "+strings.Repeat("span.customer.id = 7 || ", 300)+"name = `x` }", hours)
	search(asked, "catastrophic expressions",
		`{ span.user_agent.original =~ "((((a*)*)*)*)*b" || span.url.path !~ "(.*)*(.*)*(.*)*x" }`, hours)
	search(refused, "an expression of many steps", `{ span.url.path =~ "((((.{0,9}){0,20}){0,20}){0,20})$" }`, hours)
	search(asked, "groups of ids", `{ } | by(span:id) | by(trace:id) | by(duration)`, hours+many)
	search(asked, "a limit of 2^32", `{ }`, hours+many+"&spss=100")
	search(asked, "all is selected", `{ } | select(span.url.path, span.user_agent.original, resource.host.name)`, hours+many+"&spss=100")
	search(refused, "2^32 spans of each set", `{ }`, hours+"&spss=4294967296")
	search(asked, "a structure of all", `{ } >> { } >> { } &>> { } !< { } ~ { }`, hours+many)
	search(refused, "a search of a year", `{ }`, year)

	metrics(refused, "a step of 1 ns", `{ } | rate()`, hours+"&step=1ns")
	metrics(refused, "a metric of a year", `{ } | rate()`, year+"&step=1h")
	metrics(asked, "a series for each span", `{ } | rate() by (span:id)`, hours+"&step=1s")
	metrics(asked, "series for each span",
		`{ } | quantile_over_time(duration, .5, .9, .99) by (trace:id, span:id, span.url.path)`, hours+"&step=1m")
	metrics(asked, "histograms of each span", `{ } | histogram_over_time(duration) by (span:id)`, hours+"&step=1s")
	metrics(asked, "everything compared", `{ } | compare({ status = error }, 1000000)`, hours+"&step=1m")
	metrics(asked, "the first 2^31 series", `{ } | rate() by (span:id) | topk(2147483647)`, hours+"&step=10s")
	metrics(asked, "2^32 exemplars", `{ } | rate() with (exemplars=4294967296)`, hours+"&step=1m")

	asked["the values of ids"] = "/api/v2/search/tag/span:id/values?" + hours[1:] + many
	asked["the values of paths"] = "/api/v2/search/tag/span.url.path/values?" + hours[1:] + many
	asked["all tags"] = "/api/v2/search/tags?" + hours[1:] + many
	return asked, refused
}

func between(since, until time.Time) string {
	return fmt.Sprintf("&start=%d&end=%d", since.Unix(), until.Unix())
}

// ask wants an answer that is bounded, with one of the statuses.
func ask(t *testing.T, name, target string, statuses ...int) {
	t.Helper()
	client := &http.Client{Timeout: hostilePatience}
	began := time.Now()
	resp, err := client.Get(target)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, hostileAnswer+1))
	if err != nil || len(body) > hostileAnswer {
		t.Errorf("%s: the answer has %d bytes or more: %v", name, len(body), err)
	}
	if !slices.Contains(statuses, resp.StatusCode) {
		t.Errorf("%s: the answer is %s: %.300s", name, resp.Status, body)
	}
	t.Logf("%s: %s, %d MB after %.1f s; partial: %q", name, resp.Status, len(body)/1e6,
		time.Since(began).Seconds(), resp.Header.Get("Appliance-Partial"))
}

// askOnAndOn lets four clients ask, one question after the other, for so long. They
// give up on one after a few seconds.
func askOnAndOn(t *testing.T, base string, asked map[string]string, patience time.Duration) {
	t.Helper()
	const clients, each = 4, 4 * time.Second
	ctx, end := context.WithTimeout(t.Context(), patience)
	defer end()
	names := slices.Sorted(maps.Keys(asked))
	var asking sync.WaitGroup
	for c := range clients {
		asking.Go(func() {
			for i := c * len(names) / clients; ctx.Err() == nil; i++ {
				giveUp(ctx, base+asked[names[i%len(names)]], each)
			}
		})
	}
	asking.Wait()
}

// giveUp asks, and does not wait for the answer for longer than told.
func giveUp(ctx context.Context, target string, patience time.Duration) {
	ctx, end := context.WithTimeout(ctx, patience)
	defer end()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body) // cut short, mostly
		resp.Body.Close()
	}
}

// askAtOnce asks all questions at the same time. Some wait for others, and may be
// told that there is no room.
func askAtOnce(t *testing.T, base string, asked map[string]string) {
	t.Helper()
	var asking sync.WaitGroup
	for name, target := range asked {
		asking.Go(func() {
			ask(t, name+", with all others", base+target, http.StatusOK, http.StatusServiceUnavailable)
		})
	}
	asking.Wait()
}
