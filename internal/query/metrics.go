package query

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/grafana/tempo/pkg/api"
	"github.com/grafana/tempo/pkg/tempopb"
)

// queryRange answers a TraceQL metrics query over time. The archive answers up to the last step for which it has a
// span, and Tempo for what came since; a Tempo without a metrics generator for it answers none, and so the
// archive's last minutes are missing.
func (h *Handler) queryRange(w http.ResponseWriter, r *http.Request) {
	tenant, ok := h.archivedTenant(w, r)
	if !ok {
		return
	}
	bounded := r.Clone(r.Context())
	bounded.URL.RawQuery = bound(r.URL.Query()).Encode()
	req, err := api.ParseQueryRangeRequest(bounded)
	if err != nil {
		h.pass(w, r) // Tempo says what is wrong with it
		return
	}
	answer(h, w, r, tenant, question[*tempopb.QueryRangeResponse]{
		archived: func(ctx context.Context, _ func(string) bool) (*tempopb.QueryRangeResponse, []error, error) {
			// All blocks: Tempo computes metrics from none of those that it holds, but from its generator's.
			return h.archive.QueryRange(ctx, tenant, req, nil)
		},
		nothing: func(resp *tempopb.QueryRangeResponse) bool { return lastStep(resp) == 0 },
		decode: func(_ string, body []byte) (*tempopb.QueryRangeResponse, error) {
			resp := &tempopb.QueryRangeResponse{}
			return resp, fromJSON(body, resp)
		},
		write: func(w http.ResponseWriter, parts []*tempopb.QueryRangeResponse, missing []error, _ bool) {
			writeJSON(w, joinSeries(parts, missing))
		},
		ours: true,
	})
}

// lastStep is the time of the last sample that is not 0, in milliseconds.
func lastStep(resp *tempopb.QueryRangeResponse) (last int64) {
	for _, s := range resp.GetSeries() {
		for _, sample := range s.Samples {
			if sample.Value != 0 {
				last = max(last, sample.TimestampMs)
			}
		}
	}
	return last
}

// joinSeries takes the steps before the archive's last one from the archive, that one from whichever counted more, and
// the later ones from Tempo. parts are Tempo's answer, where there is one, and the archive's.
func joinSeries(parts []*tempopb.QueryRangeResponse, missing []error) *tempopb.QueryRangeResponse {
	archived := parts[len(parts)-1]
	if len(parts) > 1 {
		cut := lastStep(archived)
		byLabels := map[string]*tempopb.TimeSeries{}
		for _, s := range archived.Series {
			byLabels[s.PromLabels] = s
		}
		for _, live := range parts[0].Series {
			s, ok := byLabels[live.PromLabels]
			if !ok {
				s = &tempopb.TimeSeries{Labels: live.Labels, PromLabels: live.PromLabels}
				archived.Series = append(archived.Series, s)
			}
			s.Exemplars = append(s.Exemplars, live.Exemplars...)
			for _, sample := range live.Samples {
				if sample.TimestampMs < cut {
					continue
				}
				i, found := slices.BinarySearchFunc(s.Samples, sample, func(a, b tempopb.Sample) int { return cmp.Compare(a.TimestampMs, b.TimestampMs) })
				switch {
				case !found:
					s.Samples = slices.Insert(s.Samples, i, sample)
				case sample.TimestampMs > cut || sample.Value > s.Samples[i].Value:
					s.Samples[i] = sample
				}
			}
		}
	}
	if len(missing) > 0 {
		archived.Status, archived.Message = tempopb.PartialStatus_PARTIAL, errors.Join(missing...).Error()
	}
	return archived
}
