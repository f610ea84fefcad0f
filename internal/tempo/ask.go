package tempo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	askTimeout = 5 * time.Second
	maxMetrics = 16 << 20 // bytes of a Tempo's /metrics
)

// Discards returns how many spans of a tenant the Tempo at base has discarded
// since its start, by reason.
func Discards(ctx context.Context, base, tenant string) (map[string]int64, error) {
	families, err := scrape(ctx, base)
	if err != nil {
		return nil, err
	}
	discards := map[string]int64{}
	for _, m := range families["tempo_discarded_spans_total"].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if labels["tenant"] == tenant {
			discards[labels["reason"]] += int64(m.GetCounter().GetValue())
		}
	}
	return discards, nil
}

// Process tells one run of the Tempo at base from the next.
func Process(ctx context.Context, base string) (string, error) {
	families, err := scrape(ctx, base)
	if err != nil {
		return "", err
	}
	for _, m := range families["process_start_time_seconds"].GetMetric() {
		return fmt.Sprint(m.GetGauge().GetValue()), nil
	}
	return "", errors.New("what answers /metrics does not say when its process started")
}

func scrape(ctx context.Context, base string) (map[string]*dto.MetricFamily, error) {
	body, err := ask(ctx, http.MethodGet, base+"/metrics")
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
