package tempo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	askTimeout = 5 * time.Second
	maxMetrics = 16 << 20 // bytes of a Tempo's /metrics
)

// Process is what a process of Tempo says of itself.
type Process struct {
	Started float64 // in seconds since 1970, above 0
	// spans that it has discarded since then, by tenant and reason
	Discarded map[string]map[string]int64
}

// Ask asks the Tempo at base for its metrics.
func Ask(ctx context.Context, base string) (Process, error) {
	families, err := scrape(ctx, base)
	if err != nil {
		return Process{}, err
	}
	p := Process{Discarded: map[string]map[string]int64{}}
	for _, m := range families["process_start_time_seconds"].GetMetric() {
		p.Started = m.GetGauge().GetValue()
	}
	if !(p.Started > 0 && p.Started <= math.MaxFloat64) { // NaN neither
		return Process{}, errors.New("what answers /metrics does not say when its process started")
	}
	for _, m := range families["tempo_discarded_spans_total"].GetMetric() {
		n := m.GetCounter().GetValue()
		if !(n >= 0 && n <= 1<<53) { // it is not a count
			continue
		}
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		tenant, reason := labels["tenant"], labels["reason"]
		if p.Discarded[tenant] == nil {
			p.Discarded[tenant] = map[string]int64{}
		}
		p.Discarded[tenant][reason] += int64(n)
	}
	return p, nil
}

func scrape(ctx context.Context, base string) (map[string]*dto.MetricFamily, error) {
	body, err := ask(ctx, http.MethodGet, strings.TrimRight(base, "/")+"/metrics")
	if err != nil {
		return nil, fmt.Errorf("ask Tempo for its metrics: %w", err)
	}
	defer body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(body, maxMetrics))
	if err != nil {
		return nil, fmt.Errorf("read Tempo's metrics: %w", err)
	}
	return families, nil
}

func ask(ctx context.Context, method, url string) (io.ReadCloser, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	req.Close = true // so that a balancer before several of Tempo chooses again
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		cancel()
		return nil, err
	}
	if resp.StatusCode >= 300 {
		resp.Body.Close()
		cancel()
		return nil, fmt.Errorf("it answers %s", resp.Status)
	}
	return &askBody{resp.Body, cancel}, nil
}

// askBody ends its request's context when it is closed.
type askBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *askBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
