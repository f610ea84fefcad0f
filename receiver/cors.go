package receiver

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// origins are the pages that may send from a browser (WHATWG Fetch, section 3.2).
type origins struct {
	all      bool
	exact    []string
	patterns [][2]string // what is before and behind the wildcard
}

// newOrigins returns nil where no page may send.
func newOrigins(allowed []string) (*origins, error) {
	if len(allowed) == 0 {
		return nil, nil
	}
	o := &origins{}
	for _, text := range allowed {
		if text == "*" {
			o.all = true
			continue
		}
		text = strings.ToLower(text)
		before, behind, wild := strings.Cut(text, "*")
		u, err := url.Parse(strings.Replace(text, "*", "1", 1)) // a name or a port
		if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.Contains(behind, "*") {
			return nil, fmt.Errorf("%q is not an origin; write it like https://shop.example, https://*.shop.example or *", text)
		}
		if !wild {
			o.exact = append(o.exact, text)
			continue
		}
		if !strings.Contains(before, "://") {
			return nil, fmt.Errorf("%q has its wildcard in the scheme; write it like https://*.shop.example", text)
		}
		o.patterns = append(o.patterns, [2]string{before, behind})
	}
	return o, nil
}

// allow says whether a page of this origin may send.
func (o *origins) allow(origin string) bool {
	origin = strings.ToLower(origin)
	if o.all || slices.Contains(o.exact, origin) {
		return true
	}
	for _, p := range o.patterns {
		middle := len(origin) - len(p[0]) - len(p[1])
		// A wildcard stands for labels and digits, never for a port and a host:
		// https://*.shop.example is not https://evil.example:1.shop.example.
		if middle > 0 && strings.HasPrefix(origin, p[0]) && strings.HasSuffix(origin, p[1]) &&
			!strings.ContainsAny(origin[len(p[0]):len(p[0])+middle], ":/@?#") {
			return true
		}
	}
	return false
}

// cors sets what a browser wants to see in any answer to a page that may send.
// It tells whether the request is such a page's question before it sends.
func (r *Receiver) cors(w http.ResponseWriter, req *http.Request) (preflight bool) {
	if r.origins == nil {
		return false
	}
	h := w.Header()
	h["Vary"] = corsVary
	origin := req.Header.Get("Origin")
	if origin == "" || !r.origins.allow(origin) {
		return false
	}
	// A page's beacon goes with credentials, and is let through only for origins
	// that somebody named.
	if r.origins.all {
		h["Access-Control-Allow-Origin"] = corsAll
	} else {
		h["Access-Control-Allow-Origin"] = []string{origin}
		h["Access-Control-Allow-Credentials"] = corsYes
	}
	h["Access-Control-Expose-Headers"] = corsExposed
	if req.Method != http.MethodOptions || req.Header.Get("Access-Control-Request-Method") == "" || !isTraces(req.URL) {
		return false
	}
	h["Access-Control-Allow-Methods"] = corsMethods
	if asked := req.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h["Access-Control-Allow-Headers"] = []string{asked} // exporters may be given any
	}
	h["Access-Control-Max-Age"] = corsMaxAge
	return true
}

var (
	corsAll     = []string{"*"}
	corsYes     = []string{"true"}
	corsVary    = []string{"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
	corsExposed = []string{"Retry-After"}
	corsMethods = []string{http.MethodPost}
	corsMaxAge  = []string{"7200"} // the most that Chromium takes
)
