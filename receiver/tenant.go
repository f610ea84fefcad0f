package receiver

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

const (
	tenantHeader = "X-Scope-Orgid" // X-Scope-OrgID as net/http spells it

	// singleTenant is Tempo's name for data that is no tenant's in particular.
	singleTenant = "single-tenant"

	maxTenantBytes = 150 // as Tempo has it
)

// tenant returns whose spans a request brings. Without configured tenants the
// header is checked and otherwise ignored. The result is one of our own
// strings, so that no client can make new ones.
func (r *Receiver) tenant(h http.Header) (string, error) {
	values := h[tenantHeader]
	if len(values) > 1 {
		return "", errBadRequest(fmt.Errorf("header X-Scope-OrgID is given %d times", len(values)))
	}
	if len(values) == 1 && values[0] != "" {
		if err := checkHeader(values[0]); err != nil {
			return "", errBadRequest(err)
		}
	}
	if len(r.cfg.Tenants) == 0 {
		return singleTenant, nil
	}
	if len(values) == 1 {
		if i := slices.Index(r.cfg.Tenants, values[0]); i >= 0 {
			return r.cfg.Tenants[i], nil
		}
	}
	return "", errTenant
}

// checkHeader refuses what could not be the name of a directory: a tenant
// becomes one in every store.
func checkHeader(name string) error {
	switch {
	case name == "." || name == "..":
		return fmt.Errorf("tenant %q is a path", name)
	case len(name) > maxTenantBytes:
		return fmt.Errorf("tenant of %d bytes is longer than %d", len(name), maxTenantBytes)
	}
	for _, c := range []byte(name) {
		if c == '/' || c == '\\' {
			return errors.New("tenant has a path separator")
		}
		if c < ' ' || c == 0x7f {
			return errors.New("tenant has a control character")
		}
	}
	return nil
}

// checkTenant is for a name that somebody chose: Tempo takes the spans of any
// tenant, but reads, and lets us archive, only those that it calls valid.
func checkTenant(name string) error {
	if name == "" {
		return errors.New("tenant is empty")
	}
	for _, c := range []byte(name) {
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && !strings.ContainsRune("!-_.*'()", rune(c)) {
			return fmt.Errorf("tenant %q: Tempo knows tenants of letters, digits and !-_.*'() only", name)
		}
	}
	return checkHeader(name)
}
