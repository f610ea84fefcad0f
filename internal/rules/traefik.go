package rules

import "appliance/internal/otlpwire"

// traefikScope is the scope of all spans that Traefik makes (v3).
const traefikScope = "github.com/traefik/traefik"

func isTraefik(ss []byte) (is bool, err error) {
	err = eachField(ss, 1, func(scope []byte) error {
		return eachField(scope, 1, func(name []byte) error {
			is = string(name) == traefikScope
			return nil
		})
	})
	return is, err
}

// traefikKeys are the attributes that tell Traefik's spans apart.
var traefikKeys = []string{"traefik.middleware.name", "traefik.service.name", "entry_point", "url.path"}

// traefikSpan says whether a span of Traefik's is that of a middleware, or shows
// that the request was one of an operator's: a ping, or a scrape of metrics.
func traefikSpan(m []byte) (middleware, probe bool, err error) {
	const internal = 1 // SPAN_KIND_INTERNAL
	var kind uint64
	var known [4]fact
	f := otlpwire.NewFields(m)
	for f.Next() {
		switch f.Tag {
		case 6<<3 | otlpwire.TagVarint:
			kind = f.Number
		case 9<<3 | otlpwire.TagBytes:
			if err := note(known[:], traefikKeys, f.Bytes); err != nil {
				return false, false, err
			}
		}
	}
	middleware = kind == internal && known[0].known
	switch string(known[1].text) {
	case "ping@internal", "prometheus@internal":
		probe = true
	}
	if path := string(known[3].text); string(known[2].text) == "traefik" && (path == "/ping" || path == "/metrics") {
		probe = true // on the entry point that has nothing else
	}
	return middleware, probe, f.Err()
}

// dropProbes drops all that Traefik did for a ping or a scrape: whatever has the
// topmost span in common with one that shows it.
func (s *spanFates) dropProbes(rule int) {
	tops := map[*relative]bool{}
	for i := range s.relatives {
		if r := &s.relatives[i]; r.ofProbe {
			tops[s.top(r)] = true
		}
	}
	if len(tops) == 0 {
		return
	}
	for i := range s.relatives {
		if r := &s.relatives[i]; !r.dropped && tops[s.top(r)] {
			s.drop(r.ordinal, rule)
			r.dropped = true
		}
	}
}

func (s *spanFates) top(r *relative) *relative {
	for range maxHops {
		up := s.find(r.trace, r.parent)
		if up == nil {
			break
		}
		r = up
	}
	return r
}
