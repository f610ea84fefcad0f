package access

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// reloadInterval is how often the files of a Guard are looked at.
const reloadInterval = 5 * time.Second

// Auth says who may read.
type Auth struct {
	// BearerTokenFile has tokens, BasicAuthFile has users. Where both are empty,
	// everybody may read.
	BearerTokenFile, BasicAuthFile string
	// Open are paths that everybody may read all the same, exactly as they are.
	Open []string
}

// Guard lets in who shows a token, or a user and a password. A browser knows
// only the latter, so a token is taken as a password too, whoever the user is.
type Guard struct {
	tokens, users *Files[Secrets]
	open          []string
}

// NewGuard reads the files. onError is told why old ones stay. It returns nil
// where everybody may read.
func NewGuard(a Auth, onError func(error)) (*Guard, error) {
	if a.BearerTokenFile == "" && a.BasicAuthFile == "" {
		return nil, nil
	}
	g := &Guard{open: a.Open}
	var err error
	if g.tokens, err = OpenTokens(a.BearerTokenFile, reloadInterval, onError); err != nil {
		return nil, err
	}
	if g.users, err = OpenUsers(a.BasicAuthFile, reloadInterval, onError); err != nil {
		return nil, err
	}
	return g, nil
}

// Wrap makes a handler that lets in those who may.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	if g == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.accepts(r) || slices.Contains(g.open, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		refuse(w, r)
	})
}

func (g *Guard) accepts(r *http.Request) bool {
	header := r.Header.Get("Authorization")
	if scheme, token, _ := strings.Cut(header, " "); strings.EqualFold(scheme, "Bearer") {
		return g.tokens != nil && g.tokens.Get().Accept(strings.TrimSpace(token))
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		return false
	}
	return g.users != nil && g.users.Get().Accept(user+":"+password) || g.tokens != nil && g.tokens.Get().Accept(password)
}

// refuse answers 401, and over gRPC UNAUTHENTICATED.
func refuse(w http.ResponseWriter, r *http.Request) {
	const why = "this needs a bearer token, or a user and a password: see http.auth in docs/security.md"
	h := w.Header()
	if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		h.Set("Content-Type", "application/grpc")
		h.Set("Grpc-Status", "16")
		h.Set("Grpc-Message", why)
		w.WriteHeader(http.StatusOK)
		return
	}
	h.Add("WWW-Authenticate", `Basic realm="appliance", charset="UTF-8"`)
	h.Add("WWW-Authenticate", `Bearer realm="appliance"`)
	h.Set("Cache-Control", "no-store")
	http.Error(w, why, http.StatusUnauthorized)
}
