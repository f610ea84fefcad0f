package monitoring

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"appliance/e2e/internal/harness"
)

// TestMetricsExist finds each metric that a dashboard, a rule or a data source
// names on /metrics of a real appliance.
func TestMetricsExist(t *testing.T) {
	env := harness.QuickBlocks()
	env["APPLIANCE_RECEIVER_RULES"] = `drop span where name = "ruled out"`
	a := harness.Start(t, harness.Options{Env: env})
	elsewhere := harness.Start(t, harness.Options{Env: map[string]string{
		"APPLIANCE_FORWARDER_TEMPO_URL": nowhere, "APPLIANCE_NOMAD_ADDRESS": nowhere, "APPLIANCE_NOMAD_LOCK": "nomad/jobs/tempo/archiver",
	}})
	newTraffic().send(t, a, 20)
	ruledOut, _ := harness.NewRequest("shop", 1, 1)
	ruledOut.ResourceSpans[0].ScopeSpans[0].Spans[0].Name = "ruled out"
	if _, err := a.Export(t.Context(), ruledOut); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	gather := func() {
		for _, x := range []*harness.Appliance{a, elsewhere} {
			_, samples := x.Metrics(t)
			for sample := range samples {
				name, _, _ := strings.Cut(sample, "{")
				names[name] = true
			}
		}
	}
	// Some are there once a block was archived.
	harness.Eventually(t, patience, "every metric is there", func() error {
		gather()
		for _, e := range expressions(t) {
			for _, name := range ownMetric.FindAllString(e, -1) {
				if !names[name] {
					return fmt.Errorf("%s, of %s", name, e)
				}
			}
		}
		return nil
	})
}

// prometheus runs one that scrapes appliances every second by the rules of
// deploy/, but does not wait before an alert fires.
func prometheus(t *testing.T, appliances ...*harness.Appliance) (url string) {
	t.Helper()
	dir := t.TempDir()
	rules := regexp.MustCompile(`(?m)^( +)for: .*$`).ReplaceAllString(read(t, deploy+"prometheus/rules.yml"), "${1}for: 0s")
	var targets []string
	for _, a := range appliances {
		targets = append(targets, strconv.Quote(a.Read))
	}
	config := strings.NewReplacer("15s", "1s", `"appliance:3200"`, strings.Join(targets, ", ")).Replace(read(t, deploy+"prometheus/prometheus.yml"))
	for name, text := range map[string]string{"rules.yml": rules, "prometheus.yml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := harness.FreePort(t)
	p := harness.StartProcess(t, "prometheus", exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=warn"))
	t.Cleanup(func() { p.Stop(t) })
	return "http://" + address
}

// firing are the names of the alerts that fire, by the instance.
func firing(url string) (names map[string][]string, err error) {
	resp, err := http.Get(url + "/api/v1/alerts")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("%w: %.200s", err, text)
	}
	names = map[string][]string{}
	for _, a := range answer.Data.Alerts {
		if instance, name := a.Labels["instance"], a.Labels["alertname"]; a.State == "firing" && !slices.Contains(names[instance], name) {
			names[instance] = append(names[instance], name)
		}
	}
	for _, some := range names {
		slices.Sort(some)
	}
	return names, nil
}

// TestAlertsFire makes causes real: a Tempo that is away while the spool fills,
// spans that are rejected, names without end, and at last kill -9.
func TestAlertsFire(t *testing.T) {
	a := harness.Start(t, harness.Options{Env: map[string]string{
		"APPLIANCE_FORWARDER_TEMPO_URL": "http://127.0.0.1:1", "APPLIANCE_SPOOL_MAX_BYTES": "4MiB", "APPLIANCE_METRICS_MAX_SERIES": "2",
	}})
	url := prometheus(t, a)
	fires := func(spans int, names ...string) {
		t.Helper()
		harness.Eventually(t, patience, "alerts fire", func() error {
			cause(t, a, spans)
			got, err := firing(url)
			for _, name := range names {
				if err == nil && !slices.Contains(got[a.Read], name) {
					err = fmt.Errorf("%s does not fire; %v do", name, got)
				}
			}
			return err
		})
	}
	// A few spans at a time first: a full spool takes none, and so rejects none.
	fires(4, "ApplianceSpansRejected", "ApplianceMetricsOverflow")
	fires(1000, "ApplianceSpoolFilling", "ApplianceRefusing")
	a.Kill(t)
	fires(0, "ApplianceDown")
}

// cause sends spans of which one is rejected and some have no series, whatever
// the answer.
func cause(t *testing.T, a *harness.Appliance, spans int) {
	t.Helper()
	if spans == 0 {
		return
	}
	r, _ := harness.NewRequest("shop", 1, spans)
	r.ResourceSpans[0].ScopeSpans[0].Spans[0].SpanId = nil
	if _, err := a.Export(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}
