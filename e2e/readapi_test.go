package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// TestReadAPI asks what Grafana's Tempo data source asks, and what nobody should.
func TestReadAPI(t *testing.T) {
	a := harness.Start(t, harness.Options{})
	request, ids := harness.NewRequest("shop", 3, 2)
	if answer, err := a.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("send: %v, %+v", err, answer)
	}
	a.MustSearch(t, `{ resource.service.name = "shop" }`, ids)

	const absent = "0123456789abcdef0123456789abcdef"
	now := time.Now().Unix()
	span := fmt.Sprintf("&start=%d&end=%d", now-600, now+60)
	q := "?q=" + url.QueryEscape(`{ resource.service.name = "shop" }`)
	for _, c := range []struct {
		path   string
		status int
		has    string
	}{
		{"/api/echo", 200, "echo"},
		{"/api/status/buildinfo", 200, "version"},
		{"/api/traces/" + ids[0], 200, `"root"`},
		{"/api/v2/traces/" + ids[0], 200, `"root"`},
		{"/api/traces/" + absent, 404, ""},
		{"/api/v2/traces/" + absent, 200, ""},
		{"/api/traces/not-an-id", 400, ""},
		{"/api/search" + q, 200, "rootServiceName"},
		{"/api/search" + q + span, 200, "rootServiceName"},
		{"/api/search?q=%7B", 400, ""},
		{"/api/search" + q + "&limit=4000000000", 200, "rootServiceName"},
		{"/api/search/tags", 200, "service.name"},
		{"/api/v2/search/tags", 200, "service.name"},
		{"/api/search/tag/service.name/values", 200, "shop"},
		{"/api/v2/search/tag/resource.service.name/values", 200, "shop"},
		{"/healthz", 200, ""},
		{"/metrics", 200, "appliance_"},

		{"/flush", 404, ""},
		{"/shutdown", 404, ""},
		{"/status/config", 404, ""},
		{"/api/search/..%2f..%2fflush", 404, ""},
		// a tag may have such a name
		{"/api/search/tag/..%2f..%2f..%2fflush/values", 200, `"tagValues":[]`},
		{"/debug/pprof/", 404, ""},
		{"/ingester/ring", 404, ""},
	} {
		t.Run(strings.ReplaceAll(c.path, "/", "|"), func(t *testing.T) {
			status, body := get(t, "http://"+a.Read+c.path)
			if status != c.status || !strings.Contains(body, c.has) {
				t.Errorf("%s: status %d, want %d with %q: %.300s", c.path, status, c.status, c.has, body)
			}
		})
	}
	if !a.Alive() {
		t.Error("the appliance has ended")
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
