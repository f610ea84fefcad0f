package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"appliance/e2e/internal/conformance"
	"appliance/e2e/internal/content"
	"appliance/e2e/internal/harness"
)

const (
	testdata = "../testdata/conformance"
	patience = 3 * time.Minute // for anything that Tempo does by itself
	sample   = 20              // one line of so many is asked, unless CONFORMANCE=all
)

//go:embed testdata/tempo.yaml
var tempoConfig string

// TestTempo asks the stock Tempo what it was asked when the corpus was recorded. It
// shows that dataset, requests, comparison and peer belong together.
func TestTempo(t *testing.T) {
	tempo := startFilledTempo(t)
	_, lines, err := conformance.Read(filepath.Join(testdata, "open.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	o := conformance.Options{Words: true, ContentType: true, Parallel: 2}
	chosen := slices.DeleteFunc(o.Choose(lines), dependsOnTheHour)
	if os.Getenv("CONFORMANCE") != "all" {
		var some []*conformance.Line
		for i := 0; i < len(chosen); i += sample {
			some = append(some, chosen[i])
		}
		chosen = some
	}
	client, err := conformance.NewClient("http://" + tempo.http)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	t.Logf("%d requests are asked", len(chosen))
	for tries := 3; len(chosen) > 0; tries-- {
		results, err := conformance.Replay(t.Context(), client, chosen, o)
		if err != nil {
			t.Fatal(err)
		}
		chosen = nil
		for _, r := range results {
			switch {
			case r.Difference == "":
			case r.Got.Status >= 500 && tries > 0: // on a busy machine it runs out of time
				chosen = append(chosen, r.Line)
			default:
				t.Errorf("%s %s\n%s\n%s", r.Line.ID, r.Line.Category, &r.Line.Request, r.Difference)
			}
		}
	}
}

// dependsOnTheHour says whether a line asks for what is recent: the dataset has a
// time of its own, and a Tempo answers such a request from what came lately.
func dependsOnTheHour(l *conformance.Line) bool {
	if !strings.Contains(strings.ToLower(l.Path), "search") || strings.Contains(l.RawQuery, "start=") {
		return false
	}
	_, ranged := l.Message["start"]
	return !ranged && !slices.ContainsFunc(l.Query, func(p [2]string) bool { return p[0] == "start" })
}

// stock is a Tempo whose blocks are cut when a test says so.
type stock struct {
	http, otlp string
	dir        string
	traces     int // that it was sent
	stop       func()
}

// startFilledTempo starts a Tempo that has the dataset in its blocks. On a busy
// machine its generator loses a block now and then, which it says in its log as
// "WAL block disappeared while being completed": then another one is started.
func startFilledTempo(t *testing.T) *stock {
	t.Helper()
	tempo := startTempo(t)
	for part, tries := 1, 3; part <= 2; part++ {
		tempo.ingest(t, part)
		err := tempo.flush(t)
		if err == nil {
			continue
		}
		if tries--; tries == 0 {
			t.Fatalf("blocks that are written: %v", err)
		}
		t.Logf("blocks that are written: %v; with another Tempo again", err)
		tempo.stop()
		tempo, part = startTempo(t), 0
	}
	blocks := len(tempo.blocks(t))
	tempo.await(t, "a list of all blocks", func() error {
		return tempo.metric(`tempodb_blocklist_length\{tenant="single-tenant"\}`, func(n int) bool { return n == blocks })
	})
	return tempo
}

func startTempo(t *testing.T) *stock {
	t.Helper()
	return startTempoIn(t, t.TempDir())
}

// startTempoIn starts a Tempo whose storage is the directory "blocks" in dir.
func startTempoIn(t *testing.T, dir string) *stock {
	t.Helper()
	s := &stock{http: harness.FreePort(t), otlp: harness.FreePort(t), dir: dir}
	values := map[string]string{
		"HTTP": port(s.http), "GRPC": port(harness.FreePort(t)), "OTLP": port(s.otlp), "DIR": s.dir,
	}
	config := filepath.Join(s.dir, "tempo.yaml")
	text := os.Expand(tempoConfig, func(name string) string { return values[name] })
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := harness.StartProcess(
		t, "tempo", exec.Command(harness.Peer(t, "tempo"), "-config.file="+config),
	)
	s.stop = sync.OnceFunc(func() { // asked to stop, it may hang after queries
		p.Signal(t, os.Kill)
		<-p.Ended()
	})
	t.Cleanup(s.stop)
	s.await(t, "a Tempo that is ready", func() error {
		_, err := s.get("/ready")
		return err
	})
	return s
}

func port(hostPort string) string {
	_, p, _ := net.SplitHostPort(hostPort)
	return p
}

// ingest sends a part of the dataset.
func (s *stock) ingest(t *testing.T, part int) {
	t.Helper()
	for _, set := range []string{"main", "edge"} {
		files, err := filepath.Glob(
			filepath.Join(testdata, set, fmt.Sprintf("part-%d*.pb.gz", part)),
		)
		if err != nil || len(files) == 0 {
			t.Fatalf("the dataset has no part %d of the %s set: %v", part, set, err)
		}
		if err := conformance.Ingest(t.Context(), "http://"+s.otlp, 0, files...); err != nil {
			t.Fatal(err)
		}
		s.traces += tracesIn(t, files)
	}
}

func tracesIn(t *testing.T, files []string) int {
	t.Helper()
	set := content.NewSet()
	for _, f := range files {
		data, err := content.File(f)
		if err != nil {
			t.Fatal(err)
		}
		td, err := content.Decode(data)
		if err == nil {
			err = set.Add(td)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return len(set.Traces())
}

// flush has Tempo write all that it was sent, and waits until the ingester's blocks
// have it, and the generator's.
func (s *stock) flush(t *testing.T) (err error) {
	t.Helper()
	s.await(t, "traces that are complete", func() error {
		return s.metric(`tempo_ingester_live_traces\{tenant="single-tenant"\}`, func(n int) bool { return n == 0 })
	})
	resp, err := http.Post("http://"+s.http+"/flush", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for end := time.Now().Add(patience); time.Now().Before(end); <-time.After(200 * time.Millisecond) {
		var ingester, generator int
		for _, m := range s.blocks(t) {
			if m.ReplicationFactor == 1 {
				generator += m.TotalObjects
			} else {
				ingester += m.TotalObjects
			}
		}
		if ingester >= s.traces && generator >= s.traces {
			return nil
		}
		err = fmt.Errorf("of %d traces the ingester's blocks have %d, the generator's %d",
			s.traces, ingester, generator)
	}
	return err
}

// meta is what a block's meta.json says of it.
type meta struct {
	TotalObjects      int `json:"totalObjects"`
	ReplicationFactor int `json:"replicationFactor"`
}

func (s *stock) blocks(t *testing.T) (metas []meta) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "blocks", "single-tenant", "*", "meta.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		var m meta
		data, err := os.ReadFile(f)
		if err == nil {
			err = json.Unmarshal(data, &m)
		}
		if err != nil {
			return nil // it is being written
		}
		metas = append(metas, m)
	}
	return metas
}

func (s *stock) await(t *testing.T, what string, check func() error) {
	t.Helper()
	harness.Eventually(t, patience, what, check)
}

func (s *stock) get(path string) (string, error) {
	resp, err := http.Get("http://" + s.http + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", path, resp.Status)
	}
	return string(body), err
}

// metric checks a metric whose name and labels a pattern matches.
func (s *stock) metric(pattern string, good func(int) bool) error {
	text, err := s.get("/metrics")
	if err != nil {
		return err
	}
	found := regexp.MustCompile(`(?m)^` + pattern + ` (\d+)$`).FindStringSubmatch(text)
	if found == nil {
		return fmt.Errorf("there is no metric %s", pattern)
	}
	n, err := strconv.Atoi(found[1])
	if err == nil && !good(n) {
		err = fmt.Errorf("%s is %d", pattern, n)
	}
	return err
}
