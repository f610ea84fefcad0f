package query

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

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
			joined, err := joinSeries(parts, missing)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			writeJSON(w, joined)
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
func joinSeries(parts []*tempopb.QueryRangeResponse, missing []error) (*tempopb.QueryRangeResponse, error) {
	if len(parts) == 0 {
		return nil, errors.New("tempo ended its answer without a message")
	}
	joined := parts[len(parts)-1]
	if len(parts) > 1 {
		cut := lastStep(joined)
		takeSamples(joined, parts[0], func(old *tempopb.Sample, sample tempopb.Sample) bool {
			return sample.TimestampMs > cut || sample.TimestampMs == cut && (old == nil || sample.Value > old.Value)
		})
	}
	var why []string
	for _, err := range missing {
		why = append(why, err.Error())
	}
	text, partial := strings.Join(why, "\n"), len(missing) > 0
	for _, p := range parts {
		if p.Status != tempopb.PartialStatus_PARTIAL {
			continue
		}
		partial = true
		if !strings.Contains(text, p.Message) { // the archive's is what is missing
			text = strings.TrimPrefix(text+"\n"+p.Message, "\n")
		}
	}
	if partial {
		joined.Status, joined.Message = tempopb.PartialStatus_PARTIAL, text
	}
	return joined, nil
}

// takeSamples puts those samples of from into resp, in their order in time, that take chooses. It is given what resp
// has at that time, or nil.
func takeSamples(resp, from *tempopb.QueryRangeResponse, take func(old *tempopb.Sample, sample tempopb.Sample) bool) {
	byLabels := map[string]*tempopb.TimeSeries{}
	for _, s := range resp.Series {
		byLabels[s.PromLabels] = s
	}
	for _, f := range from.Series {
		s, ok := byLabels[f.PromLabels]
		if !ok {
			s = &tempopb.TimeSeries{Labels: f.Labels, PromLabels: f.PromLabels}
			resp.Series = append(resp.Series, s)
			byLabels[f.PromLabels] = s
		}
		s.Exemplars = append(s.Exemplars, f.Exemplars...)
		for _, sample := range f.Samples {
			i, found := slices.BinarySearchFunc(s.Samples, sample, func(a, b tempopb.Sample) int { return cmp.Compare(a.TimestampMs, b.TimestampMs) })
			switch {
			case found && take(&s.Samples[i], sample):
				s.Samples[i] = sample
			case !found && take(nil, sample):
				s.Samples = slices.Insert(s.Samples, i, sample)
			}
		}
	}
}

// changed is live with what the next message of a stream says: a sample that has changed, at any time, replaces the
// one before.
func changed(live, next *tempopb.QueryRangeResponse) *tempopb.QueryRangeResponse {
	if live == nil {
		return next
	}
	takeSamples(live, next, func(*tempopb.Sample, tempopb.Sample) bool { return true })
	if next.Status == tempopb.PartialStatus_PARTIAL {
		live.Status, live.Message = next.Status, next.Message
	}
	return live
}
