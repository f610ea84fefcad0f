package access

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ask is the code that a request gets.
func ask(g *Guard, path, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })).ServeHTTP(w, r)
	return w
}

func basic(user, password string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

func TestGuard(t *testing.T) {
	g, err := NewGuard(Auth{
		BearerTokenFile: file(t, "# ours\nalpha\n"), BasicAuthFile: file(t, "ada:love:lace\r\n\nbob:x\n"), Open: []string{"/ready"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for authorization, in := range map[string]bool{
		"Bearer alpha": true, "bearer  alpha ": true, basic("ada", "love:lace"): true, basic("bob", "x"): true, basic("anybody", "alpha"): true,
		"": false, "Bearer": false, "Bearer ": false, "Bearer beta": false, "Bearer # ours": false, "Bearer ada:love:lace": false,
		// RFC 7617: as one text
		basic("ada", "love"): false, basic("bob", "love:lace"): false, basic("", ""): false, basic("ada:love", "lace"): true,
		"Basic alpha": false, "Basic ": false, basic("# ours", ""): false, "alpha": false,
	} {
		if code := ask(g, "/metrics", authorization).Code; (code == http.StatusTeapot) != in {
			t.Errorf("%q: %d", authorization, code)
		}
	}
	refused := ask(g, "/", "")
	if refused.Code != http.StatusUnauthorized || len(refused.Header().Values("WWW-Authenticate")) != 2 {
		t.Errorf("%d %v", refused.Code, refused.Header())
	}
	for path, in := range map[string]bool{"/ready": true, "/ready/": false, "/readyx": false, "//ready": false, "/x/../ready": false} {
		if code := ask(g, path, "").Code; (code == http.StatusTeapot) != in {
			t.Errorf("%s: %d", path, code)
		}
	}
}

func TestGuardOverGRPC(t *testing.T) {
	g, err := NewGuard(Auth{BearerTokenFile: file(t, "alpha\n")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/tempopb.StreamingQuerier/Search", nil)
	r.ProtoMajor = 2
	r.Header.Set("Content-Type", "application/grpc+proto")
	w := httptest.NewRecorder()
	g.Wrap(http.NotFoundHandler()).ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Header().Get("Grpc-Status") != "16" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestNobodyIsKeptOut(t *testing.T) {
	g, err := NewGuard(Auth{}, nil)
	if err != nil || g != nil {
		t.Fatal(g, err)
	}
	if code := ask(g, "/", "").Code; code != http.StatusTeapot {
		t.Error(code)
	}
}

func TestMistakesInFiles(t *testing.T) {
	for name, c := range map[string]struct {
		a    Auth
		want string
	}{
		"no token":  {Auth{BearerTokenFile: file(t, "\n# none\n")}, "it has no token"},
		"no user":   {Auth{BasicAuthFile: file(t, "")}, "it has no user"},
		"no colon":  {Auth{BasicAuthFile: file(t, "a:b\nsecret\n")}, "user 2"},
		"no secret": {Auth{BasicAuthFile: file(t, "a:\n")}, "user 1"},
		"no file":   {Auth{BasicAuthFile: "/nowhere"}, "/nowhere"},
	} {
		_, err := NewGuard(c.a, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A changed file counts, and a broken one does not.
func TestGuardReadsAgain(t *testing.T) {
	path := file(t, "a:b\n")
	synctest.Test(t, func(t *testing.T) {
		var told []error
		g, err := NewGuard(Auth{BasicAuthFile: path}, func(err error) { told = append(told, err) })
		if err != nil {
			t.Fatal(err)
		}
		change := func(text string) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(reloadInterval)
		}
		change("c:d\n")
		if ask(g, "/", basic("c", "d")).Code != http.StatusTeapot || ask(g, "/", basic("a", "b")).Code != http.StatusUnauthorized {
			t.Error("the new file does not count")
		}
		change("broken\n")
		if ask(g, "/", basic("c", "d")).Code != http.StatusTeapot || len(told) != 1 {
			t.Error("a broken file counts", told)
		}
	})
}
