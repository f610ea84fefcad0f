package receiver

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"
)

// Auth says who may send.
type Auth struct {
	// BearerTokenFile holds the accepted tokens, one a line; empty lines and
	// lines that begin with # do not count. It is read again when it changes.
	// Empty: everybody may send.
	BearerTokenFile string
}

// tokens holds the SHA-256 of the accepted tokens, so that comparing takes the
// same time whatever the lengths are.
type tokens [][sha256.Size]byte

func parseTokens(text []byte) (tokens, error) {
	var ts tokens
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			ts = append(ts, sha256.Sum256(line))
		}
	}
	if len(ts) == 0 {
		return nil, errors.New("it has no token; write one a line")
	}
	return ts, nil
}

func (ts tokens) accept(token string) bool {
	sum := sha256.Sum256([]byte(token))
	found := 0
	for i := range ts {
		found |= subtle.ConstantTimeCompare(sum[:], ts[i][:])
	}
	return found == 1
}

func newTokenFile(a Auth, interval time.Duration, onError func(error)) (*watched[tokens], error) {
	if a.BearerTokenFile == "" {
		return nil, nil
	}
	f := &watched[tokens]{
		paths:    []string{a.BearerTokenFile},
		keys:     []string{"bearer_token_file"},
		interval: interval,
		make: func(contents [][]byte) (tokens, error) {
			ts, err := parseTokens(contents[0])
			if err != nil {
				return nil, &FileError{"bearer_token_file", a.BearerTokenFile, err}
			}
			return ts, nil
		},
		onError: onError,
	}
	if err := f.load(); err != nil {
		return nil, err
	}
	return f, nil
}

// authorized checks the Authorization header of a request (RFC 6750).
func (r *Receiver) authorized(h http.Header) bool {
	if r.tokens == nil {
		return true
	}
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && r.tokens.get().accept(strings.TrimSpace(token))
}
