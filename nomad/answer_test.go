package nomad

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
)

// whatever answers every request with one text, or those of a path with its
// own.
func whatever(t *testing.T, code int, text string, at map[string]string) *api.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Nomad-Index", "7")
		w.WriteHeader(code)
		body, ok := at[r.URL.Path]
		if !ok {
			body = text
		}
		_, _ = w.Write([]byte(body)) // a client that is gone is no matter
	}))
	t.Cleanup(server.Close)
	client, err := Access{Address: server.URL}.Connect()
	if err != nil {
		t.Fatal(err)
	}
	return client
}

const (
	job        = `{"ID": "tempo", "Namespace": "default", "Status": "running", "Version": 1, "JobModifyIndex": 5`
	wholeJob   = job + `}`
	nilService = job + `, "TaskGroups": [{"Name": "tempo", "Tasks": [{"Services": [null]}]}]}`
)

// Whatever answers in Nomad's place, each command ends with an error that says
// so, in a few words.
func TestAnswersOfAnotherService(t *testing.T) {
	built, err := DefaultSpec("appliance:1").Build()
	if err != nil {
		t.Fatal(err)
	}
	*built.ID = "tempo"
	for name, c := range map[string]struct {
		code int
		text string
		at   map[string]string
	}{
		"another service's object": {200, `{"status":"ok"}`, nil},
		"an empty object":          {200, `{}`, nil},
		"null":                     {200, `null`, nil},
		"a list":                   {200, `[{"id": 1}]`, nil},
		"a list of nothing":        {200, `[null]`, nil},
		"a number":                 {200, `17`, nil},
		"a text":                   {200, `"welcome"`, nil},
		"a page":                   {200, "<html><title>Sign in</title>" + strings.Repeat("<p>please", 5000), nil},
		"an empty answer":          {200, ``, nil},
		"half an answer":           {200, job, nil},
		"a page that says no":      {401, "<html>\n<title>401</title>" + strings.Repeat("\n<p>no", 5000), nil},
		"a gateway's page":         {504, "<html>Gateway Timeout</html>", nil},
		"a job of another name":    {200, strings.Replace(wholeJob, "tempo", "web", 1), nil},
		"a job without a version":  {200, strings.Replace(wholeJob, `"Version": 1`, `"Version": null`, 1), nil},
		"a group of nothing":       {200, job + `, "TaskGroups": [null]}`, nil},
		"a group without a name":   {200, job + `, "TaskGroups": [{}]}`, nil},
		"a task of nothing":        {200, job + `, "TaskGroups": [{"Name": "tempo", "Tasks": [null]}]}`, nil},
		"a service of nothing":     {200, nilService, nil},
		"a job, then objects":      {200, `{"status":"ok"}`, map[string]string{"/v1/job/tempo": wholeJob}},
		"a job, then nothing":      {200, `null`, map[string]string{"/v1/job/tempo": wholeJob, "/v1/job/tempo/versions": `{"Versions": [null]}`}},
		"a version of nothing":     {200, `{}`, map[string]string{"/v1/job/tempo": wholeJob, "/v1/job/tempo/versions": `{"Versions": [{}]}`}},
		"an allocation of nothing": {200, `{}`, map[string]string{"/v1/job/tempo": wholeJob, "/v1/job/tempo/allocations": `[null]`}},
		"a diff of nothing": {200, `{}`, map[string]string{
			"/v1/job/tempo": wholeJob, "/v1/job/tempo/plan": `{"Diff": {"TaskGroups": [{"Tasks": [null]}]}}`,
			"/v1/job/tempo/allocations": `[{"TaskStates": {"tempo": null}}]`,
		}},
		"a placement of nothing": {200, `{}`, map[string]string{
			"/v1/job/tempo": wholeJob, "/v1/job/tempo/plan": `{"Diff": {}, "FailedTGAllocs": {"tempo": null}}`,
			"/v1/job/tempo/allocations": `{}`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := NewCluster(whatever(t, c.code, c.text, c.at), "default")
			_, statusErr := cluster.Status(t.Context(), "tempo")
			_, planErr := cluster.Plan(t.Context(), built)
			errs := map[string]error{"status": statusErr, "plan": planErr}
			_, _, errs["register"] = cluster.Register(t.Context(), &Plan{Job: built}, 0)
			for command, err := range errs {
				switch {
				case err == nil:
					t.Errorf("%s takes it for Nomad's", command)
				case len(err.Error()) > 700:
					t.Errorf("%s says %d bytes: %.200s", command, len(err.Error()), err)
				case c.code == http.StatusOK && !strings.Contains(err.Error(), "not one of Nomad's API"):
					t.Errorf("%s says %v", command, err)
				}
			}
		})
	}
}

// A service whose instances are nothing ends no process that follows it.
func TestDiscoveryOfAnotherService(t *testing.T) {
	for _, text := range []string{`[null]`, `{}`, `null`, `"x"`} {
		d := Discover(whatever(t, 200, text, nil), "tempo", slog.New(slog.DiscardHandler))
		found, _, err := d.client.Services().Get(d.service, nil)
		if err = answered(found, err); err == nil && len(found) > 0 {
			t.Errorf("%s is taken for %d instances", text, len(found))
		}
	}
}

// What Nomad may leave out is no fault.
func TestComplete(t *testing.T) {
	whole := &api.Job{TaskGroups: []*api.TaskGroup{{Tasks: []*api.Task{{Config: map[string]any{"command": nil}}}}}}
	if err := complete(whole); err != nil {
		t.Error(err)
	}
	whole.TaskGroups[0].Tasks[0].Services = []*api.Service{{}, nil}
	var other *notNomadError
	if err := complete(whole); !errors.As(err, &other) || !strings.Contains(other.what, "TaskGroups[0].Tasks[0].Services[1]") {
		t.Error(err)
	}
}

// An address that the client would take, and ask another place, is refused; no
// error repeats a password.
func TestAddresses(t *testing.T) {
	for address, right := range map[string]bool{
		"http://127.0.0.1:4646": true, "https://nomad.example/": true, "http://ops:hunter2@nomad.example:4646": true, "unix:///run/nomad.sock": true,
		"https://ops:hunter2@example.org/nomad": false, "nomad.example:4646": false, "http://ops:hunter2@%zz": false, "127.0.0.1": false,
	} {
		_, err := Access{Address: address}.Connect()
		if right != (err == nil) || err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "/nomad") != strings.HasSuffix(address, "/nomad")) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
