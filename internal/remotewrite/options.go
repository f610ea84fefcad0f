package remotewrite

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"appliance/internal/telemetry"
)

// Options say what is sent, and where.
type Options struct {
	URL      string        // of the endpoint; it may have a user and a password
	Interval time.Duration // between two rounds, in each of which everything is sent
	// Labels are added to every series. One whose value is empty is left out.
	Labels  map[string]string
	Headers map[string]string // of every request
	// BearerTokenFile and BasicAuthFile have a token, or user:password, in the
	// first line that is not a comment. They are read again for each request.
	BearerTokenFile string
	BasicAuthFile   string
	TLS             TLS
	UserAgent       string
	Families        []telemetry.Metric
	Logger          *slog.Logger
}

// TLS names the PEM files of a client.
type TLS struct {
	CAFile   string // that has signed the server's certificate; empty: those of this machine
	CertFile string // to show to the server, read again for each connection
	KeyFile  string
}

// KeyError is an option that cannot be used. Key is its name in the
// configuration, such as tls.ca_file.
type KeyError struct {
	Key string
	Err error
}

func (e *KeyError) Error() string { return e.Key + ": " + e.Err.Error() }
func (e *KeyError) Unwrap() error { return e.Err }

const (
	leastInterval = time.Second
	mostInterval  = 4 * time.Minute // Prometheus forgets a series after five without a sample
)

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// Check says what is wrong whatever the machine is: KeyErrors, joined.
func (o Options) Check() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, &KeyError{key, fmt.Errorf(format, args...)})
	}
	if u, err := url.Parse(o.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		bad("url", "it is not an http or https URL; write it like http://prometheus.example:9090/api/v1/write")
	} else if u.User != nil && o.BearerTokenFile+o.BasicAuthFile != "" {
		bad("url", "it has a user, and bearer_token_file or basic_auth_file has another secret; remove one of them")
	}
	if o.Interval < leastInterval || o.Interval > mostInterval {
		bad("interval", "%v is not between %v and %v", o.Interval, leastInterval, mostInterval)
	}
	taken := map[string]bool{"le": true}
	for _, f := range o.Families {
		for _, name := range f.Labels {
			taken[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Labels)) {
		switch {
		case !labelName.MatchString(name) || strings.HasPrefix(name, "__"):
			bad("labels", "%q is not a label; it has letters, digits and _, and does not begin with a digit or with __", name)
		case taken[name]:
			bad("labels", "the series have a label %s of their own; use another name", name)
		case !utf8.ValidString(o.Labels[name]):
			bad("labels", "the value of %s is not UTF-8", name)
		}
	}
	own := ownHeaders("appliance")
	for _, name := range slices.Sorted(maps.Keys(o.Headers)) {
		switch canonical := http.CanonicalHeaderKey(name); {
		case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(o.Headers[name]):
			bad("headers", "%q, or its value, is not a header of HTTP", name)
		case canonical == "Authorization":
			bad("headers", "%s belongs into a file; use bearer_token_file or basic_auth_file", name)
		case own.Get(canonical) != "" || canonical == "Content-Length" || canonical == "Host":
			bad("headers", "%s is part of the protocol; remove it", name)
		}
	}
	if o.BearerTokenFile != "" && o.BasicAuthFile != "" {
		bad("basic_auth_file", "bearer_token_file is set too, and a request has one of them; remove the other")
	}
	switch {
	case o.TLS.CertFile != "" && o.TLS.KeyFile == "":
		bad("tls.cert_file", "needs key_file as well")
	case o.TLS.CertFile == "" && o.TLS.KeyFile != "":
		bad("tls.key_file", "needs cert_file as well")
	}
	return errors.Join(errs...)
}

// CheckFiles says which of the files are of no use: KeyErrors, joined.
func (o Options) CheckFiles() error {
	_, err := o.secret().header()
	_, tls := o.TLS.config()
	return errors.Join(err, tls)
}
