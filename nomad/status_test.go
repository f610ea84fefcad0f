package nomad

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hashicorp/nomad/api"
)

// TestStatusSaysWhereTempoIs asks an API that knows one job, as it was built.
func TestStatusSaysWhereTempoIs(t *testing.T) {
	at := func(url string) func(*Spec) {
		return func(s *Spec) { s.Tempo, s.Settings = TempoElsewhere, map[string]string{"forwarder.tempo_url": url} }
	}
	for _, c := range []struct {
		change     func(*Spec)
		where, url string
	}{
		{func(*Spec) {}, TempoEmbedded, ""},
		{func(s *Spec) { s.Tempo = TempoTask }, TempoTask, ""},
		{at("nomad://tempo-otlp"), TempoElsewhere, "nomad://tempo-otlp"},
		{at("https://me:secret@tempo.example:4318/otlp"), TempoElsewhere, "https://tempo.example:4318/otlp"},
		{at("http://me:se/cret@${attr.unique.network.ip-address}:4318"), TempoElsewhere, "http://${attr.unique.network.ip-address}:4318"},
		{func(s *Spec) { s.Env = map[string]string{"APPLIANCE_FORWARDER_TEMPO_URL": "http://tempo:4318"} }, TempoElsewhere, "http://tempo:4318"},
		{func(s *Spec) { at("http://tempo:4318")(s); s.Job = "foreign" }, TempoEmbedded, ""},
	} {
		s := DefaultSpec("appliance:1")
		c.change(&s)
		job, err := s.Build()
		if err != nil {
			t.Fatal(err)
		}
		if s.Job == "foreign" {
			job.Meta = nil
		}
		job.Namespace, job.Status, job.Version = new("default"), new("running"), new(uint64(3))
		status, err := statusOfJob(t, job)
		if err != nil || status.Tempo != c.where || status.TempoURL != c.url {
			t.Errorf("%v: %+v, want %s %s", err, status, c.where, c.url)
		}
	}
}

func statusOfJob(t *testing.T, job *api.Job) (*Status, error) {
	t.Helper()
	answers := map[string]any{
		"/v1/job/" + *job.ID:                  job,
		"/v1/job/" + *job.ID + "/versions":    api.JobVersionsResponse{},
		"/v1/job/" + *job.ID + "/deployment":  nil,
		"/v1/job/" + *job.ID + "/allocations": []any{},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, known := answers[r.URL.Path]
		if !known {
			answer = []any{} // a service without instances
		}
		_ = json.NewEncoder(w).Encode(answer) // a client that is gone is no matter
	}))
	defer server.Close()
	client, err := Access{Address: server.URL}.Connect()
	if err != nil {
		t.Fatal(err)
	}
	return NewCluster(client, "default").Status(t.Context(), *job.ID)
}
