package receiver

import (
	"net/http"
	"strings"
	"testing"
)

func TestOrigins(t *testing.T) {
	for _, tt := range []struct {
		allowed string
		origin  string
		want    bool
	}{
		{"https://shop.example", "https://shop.example", true},
		{"https://Shop.example", "https://shop.EXAMPLE", true},
		{"https://shop.example", "http://shop.example", false},
		{"https://shop.example", "https://shop.example:8443", false},
		{"https://shop.example", "https://shop.example.evil.example", false},
		{"https://shop.example", "null", false},
		{"https://*.shop.example", "https://www.shop.example", true},
		{"https://*.shop.example", "https://a.b.shop.example", true},
		{"https://*.shop.example", "https://shop.example", false},
		{"https://*.shop.example", "https://.shop.example", false},
		{"https://*.shop.example", "https://evilshop.example", false},
		{"https://*.shop.example", "https://evil.example:1.shop.example", false},
		{"https://*.shop.example", "https://evil.example/.shop.example", false},
		{"http://localhost:*", "http://localhost:3000", true},
		{"http://localhost:*", "http://localhost:", false},
		{"http://localhost:*", "http://localhost.evil.example:1", false},
		{"*", "https://anybody.example", true},
		{"*", "null", true},
	} {
		o, err := newOrigins([]string{"https://other.example", tt.allowed})
		if err != nil {
			t.Fatal(err)
		}
		if got := o.allow(tt.origin); got != tt.want {
			t.Errorf("%s allows %s: %v", tt.allowed, tt.origin, got)
		}
	}
	for _, wrong := range []string{"shop.example", "https://shop.example/", "https://*.*.example", "*://shop.example", "https://", "", "https://me@shop.example", "https://a b"} {
		if _, err := newOrigins([]string{wrong}); err == nil || !strings.Contains(err.Error(), "https://shop.example") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestBrowsers(t *testing.T) {
	const page = "https://shop.example"
	body := jsonOf(t, 2)
	from := func(origin string, more ...string) map[string]string {
		h := map[string]string{"Content-Type": jsonType, "Origin": origin}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	asking := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-trace"}
	headers := func(want map[string]string) func(*testing.T, *http.Response) {
		return func(t *testing.T, resp *http.Response) {
			t.Helper()
			for k, v := range want {
				hasHeader(k, v)(t, resp)
			}
		}
	}
	allowed := headers(map[string]string{
		"Access-Control-Allow-Origin": page, "Access-Control-Allow-Credentials": "true", "Access-Control-Expose-Headers": "Retry-After",
	})
	stranger := headers(map[string]string{"Access-Control-Allow-Origin": "", "Access-Control-Allow-Methods": ""})

	r := start(t, Config{AllowedOrigins: []string{page}})
	for _, x := range []exchange{
		{name: "sends", header: from(page), body: body, want: 200, kept: 2, check: allowed},
		{name: "sends what is wrong", header: from(page), body: body[:9], want: 400, check: allowed},
		{name: "of a stranger", header: from("https://evil.example"), body: body, want: 200, kept: 2, check: stranger},
		{name: "a stranger asks", method: "OPTIONS", header: from("https://evil.example", asking...), want: 405, check: stranger},
		{name: "asks for another path", method: "OPTIONS", path: "/v1/metrics", header: from(page, asking...), want: 404},
		{name: "beacon of text", header: map[string]string{"Content-Type": "text/plain;charset=UTF-8", "Origin": "https://evil.example"}, noType: true, body: body, want: 415, says: jsonType},
		{name: "no page", header: map[string]string{"Content-Type": jsonType}, body: body, want: 200, kept: 2, check: headers(map[string]string{"Access-Control-Allow-Origin": "", "Vary": corsVary[0]})},
	} {
		t.Run(x.name, func(t *testing.T) { x.run(t, r) })
	}
	preflight := func(t *testing.T, r *running, want map[string]string) {
		t.Helper()
		req, err := http.NewRequest(http.MethodOptions, r.url+"/v1/traces", nil)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range from(page, asking...) {
			req.Header.Set(k, v)
		}
		resp, err := r.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Fatalf("answered %d", resp.StatusCode)
		}
		headers(want)(t, resp)
	}
	t.Run("asks", func(t *testing.T) {
		preflight(t, r, map[string]string{
			"Access-Control-Allow-Origin": page, "Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "content-type,x-trace",
			"Access-Control-Allow-Credentials": "true", "Access-Control-Max-Age": "7200",
		})
	})
	t.Run("asks where all may", func(t *testing.T) {
		r := start(t, Config{AllowedOrigins: []string{"*"}})
		preflight(t, r, map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": ""})
	})
	t.Run("asks while draining", func(t *testing.T) {
		r := start(t, Config{AllowedOrigins: []string{page}})
		r.Drain()
		preflight(t, r, map[string]string{"Access-Control-Allow-Origin": page})
		exchange{header: from(page), body: body, want: 503, check: allowed}.run(t, r)
	})
	t.Run("without cors", func(t *testing.T) {
		r := start(t, Config{})
		exchange{method: "OPTIONS", header: from(page, asking...), want: 405, check: headers(map[string]string{"Allow": "POST", "Vary": ""})}.run(t, r)
		exchange{header: from(page), body: body, want: 200, kept: 2, check: stranger}.run(t, r)
	})
}
