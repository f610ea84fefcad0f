package query

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestBuildInfoWithoutTempoIsOfTheCodeThatReadsTheArchive(t *testing.T) {
	linked := BuildInfo{Version: "2.8.0-dev", Revision: "87c2dc380cec", GoVersion: "go1"}
	for _, live := range []liveTempo{{}, {status: 503}, {status: 500}, {status: 429}} {
		api := both(t, live, Options{Archive: &fakeArchive{}, Build: linked})
		code, body, header := get(t, "GET", api.URL+"/api/status/buildinfo", nil)
		var got BuildInfo
		if err := json.Unmarshal([]byte(body), &got); err != nil || code != 200 || got != linked {
			t.Errorf("tempo %d: %d %s (%v)", live.status, code, body, err)
		}
		if !strings.HasPrefix(header.Get(PartialHeader), "tempo does not answer") || header.Get("Content-Type") != "application/json" {
			t.Errorf("tempo %d: %v", live.status, header)
		}
	}
	api := both(t, liveTempo{404, "no such page", ""}, Options{Archive: &fakeArchive{}, Build: linked})
	if code, body, _ := get(t, "GET", api.URL+"/api/status/buildinfo", nil); code != 404 || body != "no such page" {
		t.Errorf("a tempo that answers 404: %d %s", code, body)
	}
	api = both(t, liveTempo{}, Options{Build: linked}) // nobody else answers anything
	if code, _, _ := get(t, "GET", api.URL+"/api/status/buildinfo", nil); code != 503 {
		t.Errorf("without an archive: %d", code)
	}
}
