package receiver

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"appliance/internal/red"
)

// counted is what a meter has counted, all series together.
func counted(m *red.Meter) (spans, kept uint64) {
	_ = m.Save() // else it shows what it has counted all the same
	m.View().Series(func(s *red.Series) {
		spans += s.Latency.Count()
		kept += s.Kept
	})
	return spans, kept
}

// TestMeterCountsWhatIsAnswered200 holds the meter against the ledger, at several
// samplings, by every encoding and both protocols, while requests are refused.
func TestMeterCountsWhatIsAnswered200(t *testing.T) {
	for name, nth := range map[string]byte{"100 %": 1, "10 %": 10, "1 %": 100} {
		t.Run(name, func(t *testing.T) {
			const drop = `drop span where name = "GET /health"`
			meter, sink := newMeter(t), &memorySink{}
			r := startWith(t, Config{Meter: meter, Rules: []string{drop}}, &everyNth{n: nth}, sink)
			ruledOut := spanWith(goodTrace, goodSpan, field(5, []byte("GET /health")))
			kept := 0
			for i := range 300 {
				if nth == 1 || byte(i)%nth == 0 {
					kept++
				}
			}
			for range 5 {
				for _, e := range encodings(t, 300) {
					r.answers(t, e.header, e.data, 200)
				}
				call{body: framed(0, protobufOf(t, 300)), kept: kept}.run(t, r)
				r.answers(t, nil, append(bytes.Clone(ruledOut), protobufOf(t, 20)...), 200)
				// one is not valid
				r.answers(t, nil, append(spanWith(goodSpan), protobufOf(t, 20)...), 200)
				r.answers(t, nil, append(protobufOf(t, 20), 0xff), 400)
				sink.fail = func(context.Context, Batch) error { return &UnavailableError{Err: errors.New("full")} }
				r.answers(t, nil, protobufOf(t, 300), 503)
				sink.fail = nil
			}
			s := r.Stats()
			want := s.Received - s.Rejected() - s.RuledOut[drop]
			if spans, kept := counted(meter); spans != want || kept != s.Kept || want != 5*(5*300+40) {
				t.Errorf("%d spans are counted, %d of them kept; the ledger has %d and %d", spans, kept, want, s.Kept)
			}
		})
	}
}

// answers sends a request, and wants a status.
func (r *running) answers(t *testing.T, header map[string]string, body []byte, want int) {
	t.Helper()
	req := newRequest(t, r.url, body)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != want {
		t.Fatalf("answered %s, not %d", resp.Status, want)
	}
}

// TestMeterIsChargedForNames has the budget pay for a request whose names are all
// different.
func TestMeterIsChargedForNames(t *testing.T) {
	meter := newMeter(t)
	var charged int64
	sink := &memorySink{}
	r := startWith(t, Config{Meter: meter}, &everyNth{n: 1}, sink)
	sink.fail = func(context.Context, Batch) error {
		charged = r.Stats().InflightBytes
		return nil
	}
	var body []byte
	for i := range 20_000 {
		body = append(body, spanWith(goodTrace, goodSpan, field(5, []byte{'a' + byte(i%26), 'a' + byte(i/26%26), 'a' + byte(i/676)}))...)
	}
	r.answers(t, nil, body, 200)
	if least := int64(len(body)) + 5000*256; charged < least {
		t.Errorf("%d bytes are charged for a request of %d bytes with 5,000 names", charged, len(body))
	}
	if spans, _ := counted(meter); spans != 20_000 {
		t.Errorf("%d spans are counted", spans)
	}
}
