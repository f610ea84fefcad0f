package monitoring

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"appliance/e2e/internal/harness"
	"appliance/internal/spool"
)

const nowhere = "http://127.0.0.1:1" // where no Tempo is

// send sends traces of 10 spans that are answered 200.
func send(t *testing.T, a *harness.Appliance, service string, traces int) {
	t.Helper()
	r, _ := harness.NewRequest(service, traces, 10)
	export(t, a, r)
}

func export(t *testing.T, a *harness.Appliance, r *collector.ExportTraceServiceRequest) {
	t.Helper()
	answer, err := a.Export(t.Context(), r)
	if err != nil || answer.Status != http.StatusOK {
		t.Fatalf("%+v, %v", answer, err)
	}
}

// glob are the files of a pattern, of which there must be some.
func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	return files
}

// badSpool is an appliance whose Tempo is away, with a span that came an hour
// ago. While it was stopped, the disk damaged a byte of one file of its spool and
// lost another file.
func badSpool(t *testing.T) *harness.Appliance {
	t.Helper()
	o := harness.Options{DataDir: t.TempDir(), Env: map[string]string{"APPLIANCE_FORWARDER_TEMPO_URL": nowhere, "APPLIANCE_FORWARDER_DRAIN_DEADLINE": "0s"}}
	dir := filepath.Join(o.DataDir, "spool")
	fill := func(service string) {
		t.Helper()
		a := harness.Start(t, o)
		send(t, a, service, 1)
		a.Stop(t)
	}
	anHourAgo(t, dir)
	fill("damaged")
	kept := glob(t, filepath.Join(dir, "*.seg"))
	fill("lost")
	damaged := 0
	for _, file := range glob(t, filepath.Join(dir, "*.seg")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(text, []byte("damaged"))
		switch {
		case !slices.Contains(kept, file):
			err = os.Remove(file)
		case at >= 0:
			damaged++
			text[at] ^= 1
			err = os.WriteFile(file, text, 0o640)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if damaged != 1 {
		t.Fatalf("%d files have the spans to damage", damaged)
	}
	return harness.Start(t, o)
}

// anHourAgo writes a span into a spool as an appliance did an hour ago.
func anHourAgo(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(dir, spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, _ := harness.NewRequest("old", 1, 1)
	payload, err := proto.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Append(spool.Record{Tenant: "single-tenant", Spans: 1, Time: time.Now().Add(-time.Hour), Payload: payload})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}

// stuck is an appliance whose Tempo does not take some spans. No real one can be
// made to refuse just these.
func stuck(t *testing.T) *harness.Appliance {
	t.Helper()
	tempo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || bytes.Contains(body, []byte("guilty")) {
			http.Error(w, "not this one", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", harness.Protobuf)
	}))
	t.Cleanup(tempo.Close)
	a := harness.Start(t, harness.Options{Env: map[string]string{
		"APPLIANCE_FORWARDER_TEMPO_URL": tempo.URL, "APPLIANCE_FORWARDER_DRAIN_DEADLINE": "0s", "APPLIANCE_FORWARDER_SETTLE": "1s",
	}})
	send(t, a, "guilty", 1)
	harness.Eventually(t, patience, "spans are set aside", func() error {
		send(t, a, "innocent", 1) // what is taken in between shows that it is not the Tempo
		if _, samples := a.Metrics(t); samples["appliance_forwarder_stuck_spans"] == 0 {
			return errors.New("nothing is stuck")
		}
		return nil
	})
	return a
}

// fullDisk is an appliance whose disk has hardly any room left.
func fullDisk(t *testing.T) *harness.Appliance {
	t.Helper()
	const size, left = 48 << 20, 1 << 20
	mount := t.TempDir()
	run(t, ".", "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", size), "tmpfs", mount)
	dir := filepath.Join(mount, "data")
	t.Cleanup(func() {
		harness.EndOrphans(t, dir)
		run(t, ".", "umount", mount)
	})
	a := harness.Start(t, harness.Options{DataDir: dir, Env: map[string]string{"APPLIANCE_SPOOL_MAX_BYTES": "8MiB"}})
	var room syscall.Statfs_t
	if err := syscall.Statfs(mount, &room); err != nil {
		t.Fatal(err)
	}
	ballast := make([]byte, int64(room.Bavail)*room.Bsize-left)
	if err := os.WriteFile(filepath.Join(mount, "ballast"), ballast, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// unreadable is an appliance of which the disk has damaged a block.
func unreadable(t *testing.T) *harness.Appliance {
	t.Helper()
	env := harness.QuickBlocks()
	a := harness.Start(t, harness.Options{Env: env})
	send(t, a, "shop", 1)
	a.Delivered(t, patience)
	a.Stop(t)
	for _, meta := range glob(t, filepath.Join(harness.BlocksDir(a.DataDir), "*", "*", "meta.json")) {
		if err := os.WriteFile(meta, []byte("{"), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return harness.Start(t, harness.Options{Env: env, DataDir: a.DataDir})
}

// fullArchive is an appliance whose archive has no room, with spans that ended
// some time ago. After a day they are due to be purged.
func fullArchive(t *testing.T, age time.Duration) *harness.Appliance {
	t.Helper()
	env := harness.QuickBlocks()
	maps.Copy(env, map[string]string{"APPLIANCE_ARCHIVE_MAX_BYTES": "1KiB"})
	a := harness.Start(t, harness.Options{Env: env})
	r, _ := harness.NewRequest("shop", 1, 10)
	for _, s := range r.ResourceSpans[0].ScopeSpans[0].Spans {
		s.StartTimeUnixNano, s.EndTimeUnixNano = s.StartTimeUnixNano-uint64(age), s.EndTimeUnixNano-uint64(age)
	}
	export(t, a, r)
	return a
}

// lostArchive is an appliance whose bucket does not answer, from the start on.
func lostArchive(t *testing.T) *harness.Appliance {
	t.Helper()
	env := harness.QuickBlocks()
	maps.Copy(env, map[string]string{
		"APPLIANCE_ARCHIVE_STORE": "s3://traces?endpoint=" + nowhere,
		"AWS_ACCESS_KEY_ID":       "a", "AWS_SECRET_ACCESS_KEY": "b",
	})
	return harness.Start(t, harness.Options{Env: env})
}

// lostSource is an appliance that cannot open the storage of its Tempo.
func lostSource(t *testing.T) *harness.Appliance {
	t.Helper()
	dir := t.TempDir()
	return harness.Start(t, harness.Options{DataDir: dir, Env: map[string]string{
		"APPLIANCE_FORWARDER_TEMPO_URL": nowhere,
		"APPLIANCE_ARCHIVE_SOURCE":      "s3://tempo?endpoint=" + nowhere,
		"APPLIANCE_ARCHIVE_STORE":       "file://" + filepath.Join(dir, "archive"),
		"AWS_ACCESS_KEY_ID":             "a", "AWS_SECRET_ACCESS_KEY": "b",
	}})
}

// blockWaits returns once a block of an appliance waits to be archived.
func blockWaits(t *testing.T, a *harness.Appliance) {
	t.Helper()
	harness.Eventually(t, patience, "a block waits for the archive", func() error {
		s, err := a.Status(t.Context())
		if err == nil && s.Archive.PendingBlocks == 0 {
			err = fmt.Errorf("%+v", s)
		}
		return err
	})
}

// faulty is an appliance that was built with a fault: it panics at a span of a
// certain name. No input is known that makes a whole one do that.
func faulty(t *testing.T) *harness.Appliance {
	t.Helper()
	const (
		file  = "cmd/appliance/serve/adapters.go"
		line  = "\tv, reason, buf := s.Sampler.Sample(sp, buf)\n"
		fault = "\tif string(sp.Name) == \"the fault\" {\n\t\tpanic(\"a fault\")\n\t}\n"
	)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, filepath.Join(root, file))
	if strings.Count(text, line) != 1 {
		t.Fatalf("%s does not have the line %q", file, line)
	}
	dir := t.TempDir()
	changed, bin := filepath.Join(dir, "adapters.go"), filepath.Join(dir, "appliance")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, file): changed}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{changed: strings.Replace(text, line, fault+line, 1), filepath.Join(dir, "overlay.json"): string(overlay)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, root, "env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-ldflags", "-s -w", "-overlay", filepath.Join(dir, "overlay.json"), "-o", bin, "./cmd/appliance")
	t.Setenv("APPLIANCE_BIN", bin)
	return harness.Start(t, harness.Options{Env: map[string]string{"APPLIANCE_FORWARDER_TEMPO_URL": nowhere}})
}

// TestCausesAreReal makes the causes of the alerts real that TestAlertsFire does
// not have: each fires for the appliance that has its cause, and no other one.
func TestCausesAreReal(t *testing.T) {
	well := harness.Start(t, harness.Options{Env: harness.QuickBlocks()})
	send(t, well, "shop", 10)
	held, missed := fullArchive(t, 23*time.Hour+45*time.Minute), fullArchive(t, 0)
	bad, aside, full, rotten := badSpool(t), stuck(t), fullDisk(t), unreadable(t)
	lost, blind := lostArchive(t), lostSource(t)
	panics := faulty(t) // last, since those after it would have the fault too
	blockWaits(t, held)
	blockWaits(t, missed)
	prom := prometheus(t, well, bad, aside, full, rotten, lost, blind, held, missed, panics)

	// A counter that has not been seen at 0 does not rise.
	seen := func(series string, a *harness.Appliance) {
		t.Helper()
		harness.Eventually(t, patience, series+" is scraped", func() error {
			n, err := samples(prom, fmt.Sprintf("count_over_time(%s{instance=%q}[1h])", series, a.Read))
			if err == nil && n < 2 {
				err = fmt.Errorf("%v times", n)
			}
			return err
		})
	}
	seen("appliance_archive_gaps", missed)
	for _, block := range glob(t, filepath.Join(harness.BlocksDir(missed.DataDir), "*", "*", "meta.json")) {
		if err := os.RemoveAll(filepath.Dir(block)); err != nil {
			t.Fatal(err)
		}
	}
	seen("appliance_receiver_panics_total", panics)
	r, _ := harness.NewRequest("shop", 1, 1)
	r.ResourceSpans[0].ScopeSpans[0].Spans[0].Name = "the fault"
	if answer, err := panics.Export(t.Context(), r); err != nil || answer.Status != http.StatusServiceUnavailable {
		t.Fatalf("%+v, %v", answer, err)
	}

	want := map[string]string{
		bad.Read:    "ApplianceSpansDamaged ApplianceSpansUnaccounted ApplianceSpoolNotDraining",
		aside.Read:  "ApplianceSpansStuck",
		full.Read:   "ApplianceDiskFull",
		rotten.Read: "ApplianceBlocksUnreadable",
		lost.Read:   "ApplianceArchiveFailing", // Late needs what the bucket knows
		blind.Read:  "ApplianceArchiveNotRunning",
		held.Read:   "ApplianceArchiveHeldUp ApplianceArchiveLate",
		missed.Read: "ApplianceArchiveMissed",            // nothing else waits for room
		panics.Read: "AppliancePanics ApplianceRefusing", // it answered 503
	}
	harness.Eventually(t, patience, "each alert fires for its cause", func() error {
		got, err := firing(prom)
		if err != nil {
			return err
		}
		for instance, names := range want {
			if have := strings.Join(got[instance], " "); have != names {
				return fmt.Errorf("%s fire, want %s; of all %v", have, names, got)
			}
		}
		if len(got) != len(want) {
			return fmt.Errorf("of %d appliances alerts fire: %v", len(got), got)
		}
		return nil
	})
}

// samples is the number that a query has as its one answer, 0 without any.
func samples(prom, query string) (n float64, err error) {
	resp, err := http.Get(prom + "/api/v1/query?" + url.Values{"query": {query}}.Encode())
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || len(answer.Data.Result) == 0 {
		return 0, err
	}
	_, err = fmt.Sscan(fmt.Sprint(answer.Data.Result[0].Value[1]), &n)
	return n, err
}
