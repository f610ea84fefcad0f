package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
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
