package traceql

import "testing"

func TestParseTag(t *testing.T) {
	for name, want := range map[string]string{
		"name": "name", "span:name": "name", "trace:rootService": "rootServiceName",
		"event:timeSinceStart": "event:timeSinceStart", "status": "status",
		"span.http.method": "span.http.method", ".region": ".region", "..a": "..a",
		"span.with space": `span."with space"`, `span."a"`: `span."\"a\""`,
		"resource.a:b": "resource.a:b", "span.name": "span.name",
		"service.name": "", "parent.region": "", "nonsense:name": "", "event": "", "{x}": "",
		"5": "", "true": "", "span.": "", "": "", ".": "", "resource:name": "",
	} {
		got := ""
		if a, err := ParseTag(name); err == nil {
			got = a.String()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
