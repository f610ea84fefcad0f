package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"appliance/internal/access"
	"appliance/internal/config"
)

// clientFlags say how a command reaches a running appliance.
type clientFlags struct{ url, tokenFile, caFile string }

func (f *clientFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.url, "url", "", "base URL of the appliance, with https and user:password@ where it has them (default: http.listen on this machine)")
	f.addSecrets(c)
}

func (f *clientFlags) addSecrets(c *cobra.Command) {
	c.Flags().StringVar(&f.tokenFile, "token-file", "", "file whose first line is the bearer token to show (default: http.auth.bearer_token_file, or the first user of http.auth.basic_auth_file, where --url is not set)")
	c.Flags().StringVar(&f.caFile, "ca-file", "", "CA (PEM) that has signed the appliance's certificate (default: http.tls.cert_file itself where --url is not set, else those of this machine)")
}

// asker asks a running appliance.
type asker struct {
	base          string // without a slash at the end
	shown         string // the same without a password
	http          *http.Client
	authorization string // header, empty for none
	tenant        string // likewise
	conf          config.Loaded
}

// completeTenant has --tenant of c completed by those that the appliance knows. A
// shell is told nothing of what goes wrong.
func (f *clientFlags) completeTenant(c *cobra.Command) {
	// there is such a flag
	_ = c.RegisterFlagCompletionFunc("tenant", func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		from, err := f.open(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		_, s, err := fetchStatus(cmd.Context(), from)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var words []string
		for _, name := range slices.Sorted(maps.Keys(s.Ledger.Tenants)) {
			if strings.HasPrefix(name, begun) {
				words = append(words, name)
			}
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	})
}

// open makes an asker of the flags and, where these do not name an appliance, of
// the configuration of the one on this machine.
func (f *clientFlags) open(cmd *cobra.Command) (*asker, error) {
	conf, err := loadConfig(cmd)
	if err != nil && f.url == "" {
		return nil, err
	}
	c := &asker{conf: conf}
	if c.base, err = baseURL(cmd, f.url, conf); err != nil {
		return nil, err
	}
	c.shown = config.Redact(c.base)
	trusted := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.url == "" {
		if trusted, err = c.trust(conf.HTTP.TLS, conf.HTTP.Auth.BearerTokenFile, conf.HTTP.Auth.BasicAuthFile); err != nil {
			return nil, err
		}
	}
	if f.tokenFile != "" {
		token, err := access.FirstSecret(f.tokenFile)
		if err != nil {
			return nil, wrongUsage(cmd, fmt.Errorf("--token-file: %w", err))
		}
		c.authorization = "Bearer " + token
	}
	if f.caFile != "" {
		text, err := readText(f.caFile)
		if err != nil {
			return nil, wrongUsage(cmd, fmt.Errorf("--ca-file: %w", err))
		}
		trusted.RootCAs, trusted.InsecureSkipVerify, trusted.VerifyConnection = x509.NewCertPool(), false, nil
		if !trusted.RootCAs.AppendCertsFromPEM(text) {
			return nil, wrongUsage(cmd, fmt.Errorf("--ca-file %s has no certificate in PEM", f.caFile))
		}
	}
	c.http = clientOf(trusted)
	return c, nil
}

func clientOf(trusted *tls.Config) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = trusted
	return &http.Client{Transport: transport}
}

// trust takes the secrets and the certificate of a port of this machine. The
// certificate is compared itself: it need not be for localhost.
func (c *asker) trust(t config.TLS, tokenFile, usersFile string) (*tls.Config, error) {
	trusted := &tls.Config{MinVersion: tls.VersionTLS12}
	switch {
	case tokenFile != "":
		token, err := access.FirstSecret(tokenFile)
		if err != nil {
			return nil, fmt.Errorf("read the token to show: %w", err)
		}
		c.authorization = "Bearer " + token
	case usersFile != "":
		user, err := access.FirstSecret(usersFile)
		if err != nil {
			return nil, fmt.Errorf("read the user to be: %w", err)
		}
		name, password, _ := strings.Cut(user, ":")
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth(name, password)
		c.authorization = r.Header.Get("Authorization")
	}
	if t.CertFile == "" {
		return trusted, nil
	}
	text, err := readText(t.CertFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificate to expect: %w", err)
	}
	own, _ := pem.Decode(text)
	trusted.InsecureSkipVerify = true // VerifyConnection verifies
	trusted.VerifyConnection = func(s tls.ConnectionState) error {
		if own == nil || len(s.PeerCertificates) == 0 || !bytes.Equal(own.Bytes, s.PeerCertificates[0].Raw) {
			return fmt.Errorf("it shows another certificate than that of %s", t.CertFile)
		}
		return nil
	}
	return trusted, nil
}

// readText reads a file that may begin with a byte order mark, as serve takes it.
func readText(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	return bytes.TrimPrefix(text, []byte("\ufeff")), err
}

// answer is what a running appliance said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// get asks for a path, with a body of up to most bytes as the answer, of one of
// the media types. An error says that there is none.
func (c *asker) get(ctx context.Context, path string, most int64, accept ...string) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.shown, err)
	}
	if c.authorization != "" {
		req.Header.Set("Authorization", c.authorization)
	}
	if c.tenant != "" {
		req.Header.Set("X-Scope-OrgID", c.tenant)
	}
	req.Header["Accept"] = accept
	resp, err := c.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, fmt.Errorf("no appliance answers at %s: %w; start one with: appliance serve", req.URL.Redacted(), err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", req.URL.Redacted(), err)
	}
	if int64(len(body)) > most {
		return nil, fmt.Errorf("read the answer of %s: it has more than %d bytes", req.URL.Redacted(), most)
	}
	if resp.StatusCode == http.StatusUnauthorized && resp.Request.Header.Get("Authorization") != "" {
		return nil, fmt.Errorf("%s does not accept the token or the user that it was shown: is it that of http.auth there?", req.URL.Redacted())
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return nil, fmt.Errorf("%s wants a token or a user: name a file with a token by --token-file, or write the URL as http://user:password@host", req.URL.Redacted())
	}
	return &answer{resp.StatusCode, resp.Header, body}, nil
}

// answerError is an answer that is not 200.
type answerError struct {
	status int
	text   string // of the body
}

func (e *answerError) Error() string {
	return fmt.Sprintf("the appliance answers %d %s: %s", e.status, http.StatusText(e.status), e.text)
}

// trouble is the *answerError of an answer that is not 200.
func (a *answer) trouble() error {
	if a.status == http.StatusOK {
		return nil
	}
	return &answerError{a.status, strings.TrimSpace(string(a.body[:min(len(a.body), 1000)]))}
}
