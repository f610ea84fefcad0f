package serve

import (
	"net"
	"net/http"
	"runtime/pprof"
)

// What `appliance debug` asks for. It says more of the process than others need
// to know.
const (
	LogPath        = "/api/v1/log"
	GoroutinesPath = "/api/v1/goroutines"
	// recentBytes is how much of the log is kept for that.
	recentBytes = 256 << 10
)

func (a *appliance) serveLog(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(a.recent.Text()) // the client has gone
}

func (a *appliance) serveGoroutines(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_ = pprof.Lookup("goroutine").WriteTo(w, 1) // the client has gone
}

// forOperators lets in who has shown a secret, or is on this machine and does
// not come through a proxy.
func (a *appliance) forOperators(answer http.HandlerFunc) http.HandlerFunc {
	secured := a.conf.HTTP.Auth.BearerTokenFile != "" || a.conf.HTTP.Auth.BasicAuthFile != ""
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		ip := net.ParseIP(host)
		here := err == nil && ip != nil && ip.IsLoopback() && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == ""
		if !secured && !here {
			http.Error(w, "this is for operators: ask from this machine, or set http.auth", http.StatusForbidden)
			return
		}
		answer(w, r)
	}
}
