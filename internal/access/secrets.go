package access

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"
)

// Secrets are those that are accepted. They hold SHA-256, so that comparing
// takes the same time whatever the lengths are.
type Secrets [][sha256.Size]byte

// Accept says whether a secret is among them.
func (s Secrets) Accept(secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	found := 0
	for i := range s {
		found |= subtle.ConstantTimeCompare(sum[:], s[i][:])
	}
	return found == 1
}

// eachLine calls take with the lines of a file of secrets. Empty lines and those
// that begin with # do not count.
func eachLine(text []byte, take func(line []byte) error) error {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			if err := take(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// FirstSecret reads the first secret of a file, to be shown to somebody else.
// Errors name the file.
func FirstSecret(path string) (secret string, err error) {
	text, err := readSecret(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	_ = eachLine(text, func(line []byte) error {
		if secret == "" {
			secret = string(line)
		}
		return nil
	})
	if secret == "" {
		return "", fmt.Errorf("%s has no line with a secret", path)
	}
	return secret, nil
}

func parseTokens(text []byte) (s Secrets, err error) {
	_ = eachLine(text, func(line []byte) error {
		s = append(s, sha256.Sum256(line))
		return nil
	})
	if len(s) == 0 {
		return nil, errors.New("it has no token; write one a line")
	}
	return s, nil
}

// parseUsers takes a line user:password as one secret, as RFC 7617 has it. The
// name of a user has no colon.
func parseUsers(text []byte) (s Secrets, err error) {
	n := 0
	err = eachLine(text, func(line []byte) error {
		n++
		if user, password, ok := bytes.Cut(line, []byte(":")); !ok || len(user) == 0 || len(password) == 0 {
			return fmt.Errorf("user %d is not of the form user:password", n)
		}
		s = append(s, sha256.Sum256(line))
		return nil
	})
	if err == nil && len(s) == 0 {
		err = errors.New("it has no user; write user:password, one a line")
	}
	return s, err
}

// OpenTokens reads a file of bearer tokens, one a line, and again when it
// changes. Without a path it returns nil. Errors are a FileError.
func OpenTokens(path string, interval time.Duration, onError func(error)) (*Files[Secrets], error) {
	return open("bearer_token_file", path, interval, parseTokens, onError)
}

// OpenUsers reads a file of users, a line user:password each, and again when it
// changes. Without a path it returns nil. Errors are a FileError.
func OpenUsers(path string, interval time.Duration, onError func(error)) (*Files[Secrets], error) {
	return open("basic_auth_file", path, interval, parseUsers, onError)
}

func open(key, path string, interval time.Duration, parse func([]byte) (Secrets, error), onError func(error)) (*Files[Secrets], error) {
	if path == "" {
		return nil, nil
	}
	f := &Files[Secrets]{
		paths:    []string{path},
		keys:     []string{key},
		interval: interval,
		make: func(contents [][]byte) (Secrets, error) {
			s, err := parse(contents[0])
			if err != nil {
				return nil, &FileError{key, path, err}
			}
			return s, nil
		},
		onError: onError,
	}
	if err := f.load(); err != nil {
		return nil, err
	}
	return f, nil
}
