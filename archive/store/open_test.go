package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"appliance/archive/store"
)

// Each mistake is named, with what to do, and without what must stay secret.
func TestOpenNamesTheMistake(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY", "AWS_SECRET_KEY"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "none"))
	for url, want := range map[string]string{
		"":                                   "no path; write file:///path",
		"file://":                            "no path; write file:///path",
		"file://relative/path":               `"relative" stands where a host would; write file:///path`,
		"file:///path?region=x":              "a directory takes no parameters",
		"file://" + dir + "/none":            "the directory does not exist; correct the path",
		"file://" + file:                     "not a directory",
		"gs://bucket":                        "there are file:// and s3://, not gs://",
		"s3://":                              "no bucket; write s3://bucket/prefix?endpoint=host:port",
		"s3://KEY:hush@bucket":               "credentials do not belong in the URL",
		"s3://bucket?acces_key=hush":         `parameter "acces_key" is not known; there are endpoint, insecure, path_style and region`,
		"s3://bucket?insecure=yes":           `parameter insecure is true or false, not "yes"`,
		"s3://bucket?endpoint=http://a/path": `endpoint "a/path" is not host or host:port`,
		"s3://bucket/a//b":                   "is not a clean relative path",
		"s3://bucket":                        "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
		"s3://bucket:%zz":                    "the URL cannot be read",
	} {
		s, err := store.Open(t.Context(), url, store.Options{})
		if err == nil {
			t.Errorf("%q was opened as %s", url, s.URL())
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", url, err, want)
		}
		// What is there and is no store, and what has no credentials, are no mistakes of the URL.
		if elsewhere := strings.Contains(want, "director") && !strings.Contains(want, "parameters") || strings.Contains(want, "no credentials"); errors.Is(err, store.ErrURL) == elsewhere || (store.CheckURL(url) == nil) != elsewhere {
			t.Errorf("%q: %v is ErrURL: %t", url, err, errors.Is(err, store.ErrURL))
		}
		if strings.Contains(err.Error(), "hush") {
			t.Errorf("a secret is in %q", err)
		}
	}
	if _, err := store.Open(t.Context(), filepath.Join(file, "below"), store.Options{Create: true}); err == nil {
		t.Error("a directory was made below a file")
	}
}

func TestOpenTakesPlainPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "with space, 100% #1?")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if want := "file://" + strings.NewReplacer(" ", "%20", "%", "%25", "#", "%23", "?", "%3F").Replace(dir); s.URL() != want {
		t.Errorf("got %s, want %s", s.URL(), want)
	}
}

// Nothing that is put in a store leads out of it.
func TestNothingLeadsOut(t *testing.T) {
	outside, inside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(inside, "t")); err != nil {
		t.Fatal(err)
	}
	s := openDir(t, inside)
	if _, err := s.Put(t.Context(), "t/b/a", strings.NewReader("x"), 1); err == nil {
		t.Error("put through a symbolic link")
	}
	if err := s.Replace(t.Context(), "t/a", []byte("x")); err == nil {
		t.Error("replaced through a symbolic link")
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) != 0 {
		t.Errorf("outside is %v, %v", left, err)
	}
}
