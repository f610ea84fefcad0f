package readapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// tenant says whose spans a request is about.
func (h *Handler) tenant(orgID string) (string, error) {
	switch {
	case !h.MultiTenant || orgID == "":
		return SingleTenant, nil
	case strings.Contains(orgID, "|"):
		return "", badRequest("X-Scope-OrgID names several tenants; ask for one at a time")
	}
	return orgID, nil
}

func (h *Handler) tenantOf(r *http.Request) (string, error) {
	return h.tenant(r.Header.Get("X-Scope-OrgID"))
}

// seconds reads start or end in Unix seconds. Like Tempo it takes what fits 32
// bits with a sign. Missing: 0.
func seconds(q url.Values, name string) (uint32, error) {
	text := q.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, badRequest("invalid %s: %v", name, err)
	}
	return uint32(n), nil
}

func rangeOf(q url.Values) (r Range, err error) {
	if r.Start, err = seconds(q, "start"); err != nil {
		return r, err
	}
	r.End, err = seconds(q, "end")
	return r, err
}

// checkSearch refuses a range of a search that Tempo refuses.
func (r Range) checkSearch(longest time.Duration) error {
	if r == (Range{}) {
		return nil
	}
	if r.Start >= r.End {
		return badRequest("http parameter start must be before end. received start=%d end=%d",
			r.Start, r.End)
	}
	return r.checkLength(longest)
}

// checkLength refuses a range that is too long. One that is backward is so, as
// in Tempo.
func (r Range) checkLength(longest time.Duration) error {
	if r == (Range{}) || longest == 0 {
		return nil
	}
	if r.Start > r.End || time.Duration(r.End-r.Start)*time.Second > longest {
		return badRequest("range specified by start and end exceeds %v. received start=%d end=%d",
			longest, r.Start, r.End)
	}
	return nil
}

// positive reads a number of at least 1. Missing: the default.
func positive(q url.Values, name string, otherwise int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, badRequest("invalid %s: %v", name, err)
	}
	if n <= 0 {
		return 0, badRequest("invalid %s: must be a positive number", name)
	}
	return n, nil
}

// bound reads a number that Tempo ignores if it is none. Missing: 0.
func bound(q url.Values, name string) int {
	n, err := strconv.Atoi(q.Get(name))
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// milliseconds reads a duration, and cuts it to milliseconds as Tempo does.
func milliseconds(q url.Values, name string) (uint32, error) {
	text := q.Get(name)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, badRequest("invalid %s: %v", name, err)
	}
	return uint32(d.Milliseconds()), nil
}
