package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"appliance/internal/config"
)

// A certificate and a token that an editor on Windows saved are those that serve
// takes of the same files.
func TestFilesWithAByteOrderMarkAreTrusted(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer alpha" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		fmt.Fprint(w, `{"traces":[]}`)
	}))
	defer server.Close()
	saved := func(name string, text []byte) string {
		path := filepath.Join(t.TempDir(), name)
		text = append([]byte("\xef\xbb\xbf"), bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))...)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	block := pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	cert, token := saved("cert.pem", pem.EncodeToMemory(&block)), saved("token", []byte("alpha\n"))

	code, _, stderr := runCommand(t.Context(), "search", "{ }", "--url", server.URL, "--ca-file", cert, "--token-file", token)
	if code != 0 {
		t.Errorf("--ca-file: exit code %d, %s", code, stderr)
	}

	c := new(asker)
	own, err := c.trust(config.TLS{CertFile: cert}, token, "")
	if err != nil || c.authorization != "Bearer alpha" {
		t.Fatalf("%q, %v", c.authorization, err)
	}
	answer, err := clientOf(own).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	block.Bytes = append(bytes.Clone(block.Bytes[:len(block.Bytes)-1]), block.Bytes[len(block.Bytes)-1]^1)
	other, err := new(asker).trust(config.TLS{CertFile: saved("other.pem", pem.EncodeToMemory(&block))}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clientOf(other).Get(server.URL); err == nil || !strings.Contains(err.Error(), "another certificate") {
		t.Errorf("another certificate is trusted: %v", err)
	}
}

// TestPasswordsAreNotPrinted has commands ask with a password in --url, of what
// answers like an appliance and of what does not.
func TestPasswordsAreNotPrinted(t *testing.T) {
	for name, answer := range map[string]string{"nothing of ours": "<html>", "an empty appliance": "{}"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, answer) }))
		t.Cleanup(server.Close)
		target := strings.Replace(server.URL, "http://", "http://ops:S3cret@", 1)
		bundle := filepath.Join(t.TempDir(), "bundle.tar.gz")
		for _, args := range [][]string{
			{"doctor", "--no-trace"}, {"doctor", "-o", "json", "--no-trace"}, {"status"}, {"usage"}, {"search", "{ }"},
			{"trace", "5b8efff798038103d269b633813fc60c"}, {"debug", "--output", bundle},
		} {
			_, stdout, stderr := runCommand(t.Context(), append(args, "--url", target)...)
			if all := stdout + stderr; all == "" || strings.Contains(all, "S3cret") {
				t.Errorf("%s: %v prints %s", name, args, all)
			}
		}
		if text := unpacked(t, bundle); text == "" || strings.Contains(text, "S3cret") {
			t.Errorf("%s: the bundle has %.4000s", name, text)
		}
	}
	for _, target := range []string{"ftp://ops:S3cret@host", "http://ops:S3cret@127.0.0.1:1"} {
		if _, stdout, stderr := runCommand(t.Context(), "status", "--url", target); strings.Contains(stdout+stderr, "S3cret") {
			t.Errorf("--url %s prints %s", target, stdout+stderr)
		}
	}
}

// unpacked are the contents of the files of a bundle.
func unpacked(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for files := tar.NewReader(z); ; {
		if _, err := files.Next(); errors.Is(err, io.EOF) {
			return text.String()
		} else if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&text, files); err != nil {
			t.Fatal(err)
		}
	}
}
