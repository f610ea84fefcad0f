package readapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// question is what the engine was asked, in a line.
func question(asked any) string {
	switch r := asked.(type) {
	case TraceRequest:
		return fmt.Sprintf("%s %x", r.Tenant, r.ID)
	case SearchRequest:
		query := "all"
		if r.Query != nil {
			query = r.Query.String()
		}
		return fmt.Sprintf("%s %s %v limit=%d spss=%d %v..%v", r.Tenant, query, r.Range, r.Limit,
			r.SpansPerSet, r.MinDuration, r.MaxDuration)
	case TagsRequest:
		query := "all"
		if r.Query != nil {
			query = r.Query.String()
		}
		return fmt.Sprintf("%s scope=%v %s %v limit=%d", r.Tenant, r.Scope, query, r.Range, r.Limit)
	case TagValuesRequest:
		query := "all"
		if r.Query != nil {
			query = r.Query.String()
		}
		return fmt.Sprintf("%s %v %s %v limit=%d", r.Tenant, r.Attribute, query, r.Range, r.Limit)
	case MetricsRequest:
		return fmt.Sprintf("%s %v %d..%d step=%v series=%d exemplars=%d", r.Tenant, r.Query, r.Start,
			r.End, r.Step, r.MaxSeries, r.Exemplars)
	default:
		return "nothing"
	}
}

func TestQuestions(t *testing.T) {
	engine := &fakeEngine{}
	base := serve(t, engine)
	for path, want := range map[string]string{
		"/api/traces/beef": "single-tenant 0000000000000000000000000000beef",
		"/api/v2/traces/ED9E0000000000000000000000000001?start=1&end=2&mode=blocks": "single-tenant ed9e0000000000000000000000000001",

		"/api/search?q={}": "single-tenant { } {0 0} limit=20 spss=3 0s..0s",
		"/api/search?q={}&start=1&end=2&limit=5&spss=7":    "single-tenant { } {1 2} limit=5 spss=7 0s..0s",
		"/api/search?q={}&limit=4294967296&spss=0":         "single-tenant { } {0 0} limit=10000 spss=100 0s..0s",
		"/api/search?q={}|rate()&minDuration=1s":           "single-tenant { } | rate() {0 0} limit=20 spss=3 0s..0s",
		"/api/search?minDuration=1500us&maxDuration=1h":    "single-tenant all {0 0} limit=20 spss=3 1ms..1h0m0s",
		"/api/search?tags=a%3Db+service.name%3D%22x.y%22":  "single-tenant { (span.a = `b`) || (resource.a = `b`) } && { resource.service.name =~ `.*x\\.y.*` } {0 0} limit=20 spss=3 0s..0s",
		"/api/search?service.name=x&root.name=y&limit=1":   "single-tenant { rootName =~ `.*y.*` } && { resource.service.name =~ `.*x.*` } {0 0} limit=1 spss=3 0s..0s",
		"/api/search?tags=status.code%3Derror":             "single-tenant { status = error } {0 0} limit=20 spss=3 0s..0s",
		"/api/search?tags=http.status_code%3D500":          "single-tenant { span.http.status_code = 500 } {0 0} limit=20 spss=3 0s..0s",
		"/api/search?tags=status.code%3Dx+service.name%3D": "single-tenant all {0 0} limit=20 spss=3 0s..0s",
		"/api/search?q={}&since=1h&unknown=x":              "single-tenant { } {0 0} limit=20 spss=3 0s..0s",

		"/api/search/tags": "single-tenant scope=? all {0 0} limit=0",
		"/api/v2/search/tags?scope=resource&limit=9&start=5&end=6": "single-tenant scope=resource all {5 6} limit=9",
		"/api/v2/search/tags?q={status%3Derror%26%26span.a%3D":     "single-tenant scope=? { status = error } {0 0} limit=0",
		"/api/v2/search/tags?scope=intrinsic":                      "nothing",

		"/api/search/tag/name/values":                         "single-tenant name all {0 0} limit=0",
		"/api/search/tag/root.service.name/values":            "single-tenant rootServiceName all {0 0} limit=0",
		"/api/search/tag/kind/values":                         "single-tenant .kind all {0 0} limit=0",
		"/api/search/tag/a%2Fb/values":                        "single-tenant .a/b all {0 0} limit=0",
		"/api/v2/search/tag/kind/values":                      "single-tenant kind all {0 0} limit=0",
		"/api/v2/search/tag/span.a%20b/values?limit=2":        `single-tenant span."a b" all {0 0} limit=2`,
		"/api/v2/search/tag/span.a/values?q={status%3Derror}": "single-tenant span.a { status = error } {0 0} limit=0",
		"/api/v2/search/tag/.a/values?q={status%3Derror}":     "single-tenant .a all {0 0} limit=0",
		"/api/v2/search/tag/parent/values":                    "nothing",

		"/api/metrics/query_range?q={}|rate()&start=100&end=340":                                            "single-tenant { } | rate() 100000000000..340000000000 step=1s series=0 exemplars=100",
		"/api/metrics/query_range?query={}|rate()&start=100.5&end=7300.5&maxSeries=3":                       "single-tenant { } | rate() 100500000000..7300500000000 step=30s series=3 exemplars=100",
		"/api/metrics/query_range?q={}|rate()&start=10000000000000&end=10060000000000&step=0.5&exemplars=5": "single-tenant { } | rate() 10000000000000..10060000000000 step=500ms series=0 exemplars=5",
		"/api/metrics/query_range?q={}|rate()&start=1970-01-01T00:01:00Z&end=120&step=1m30s&exemplars=1000": "single-tenant { } | rate() 60000000000..120000000000 step=1m30s series=0 exemplars=100",
		"/api/metrics/query_range?q={}|rate()&end=7200&since=30m&step=1d":                                   "single-tenant { } | rate() 5400000000000..7200000000000 step=24h0m0s series=0 exemplars=100",
		"/api/metrics/query?q={}|rate()&start=100&end=340&step=5":                                           "single-tenant { } | rate() 100000000000..340000000000 step=0s series=0 exemplars=100",
	} {
		engine.asked = nil
		resp, err := http.Get(base + strings.ReplaceAll(path, "|", "%7C"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := question(engine.asked); got != want {
			t.Errorf("%s: status %d, asked\n%s, want\n%s", path, resp.StatusCode, got, want)
		}
	}
}

// Without a range a metrics query is about the last hour.
func TestMetricsOfTheLastHour(t *testing.T) {
	engine := &fakeEngine{}
	base := serve(t, engine)
	before := time.Now().UnixNano()
	resp, err := http.Get(base + "/api/metrics/query_range?q={}%7Crate()")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	r, ok := engine.asked.(MetricsRequest)
	if !ok {
		t.Fatalf("status %d", resp.StatusCode)
	}
	if r.End < before || r.End > time.Now().UnixNano() || r.End-r.Start != int64(time.Hour) ||
		r.Step != 15*time.Second {
		t.Errorf("asked %s", question(r))
	}
}

func TestTenants(t *testing.T) {
	for _, c := range []struct {
		multi  bool
		header string
		want   string
	}{
		{false, "", "single-tenant"}, {false, "a", "single-tenant"}, {true, "", "single-tenant"},
		{true, "a", "a"}, {true, "a|b", "nobody"},
	} {
		h := &Handler{Options: Options{MultiTenant: c.multi}}
		got, err := h.tenant(c.header)
		if err != nil {
			got = "nobody"
		}
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestLogfmt(t *testing.T) {
	for text, want := range map[string]string{
		"":                       `{}`,
		"a=b":                    `{"a":"b"}`,
		" a=b  c=\"d \\\"e\" f ": `{"a":"b","c":"d \"e","f":""}`,
		"a= b":                   `{"a":"","b":""}`,
		"a=1 a=2":                "tag a has been set twice",
		"\"a b\"=c":              `unexpected '"' at pos 1`,
		"a=b\"c":                 "invalid value at pos 3",
		"a=\"b":                  "invalid value at pos 3",
		"=b":                     "unexpected '=' at pos 1",
	} {
		tags, err := parseLogfmt(text)
		got, _ := json.Marshal(tags)
		if err != nil {
			got = []byte(err.Error())
		}
		if string(got) != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
