package remotewrite

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"appliance/internal/telemetry"
)

// attempt is a request that a server got.
type attempt struct {
	after time.Duration // since the first
	body  []byte
	http.Header
}

// server answers each attempt by its number.
type server struct {
	answer   func(n int) (status int, header http.Header, text string)
	began    time.Time
	attempts []attempt
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if s.began.IsZero() {
		s.began = time.Now()
	}
	s.attempts = append(s.attempts, attempt{time.Since(s.began), body, r.Header})
	status, header, text := s.answer(len(s.attempts) - 1)
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: header, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func (s *server) times() (out []time.Duration) {
	for _, a := range s.attempts {
		out = append(out, a.after)
	}
	return out
}

// value is that of the one series of an attempt.
func (a attempt) value(t *testing.T) float64 {
	t.Helper()
	all, _ := decode(t, a.body)
	if len(all) != 1 {
		t.Fatalf("%d series", len(all))
	}
	return all[0].value
}

// sending runs a sender of a counter that grows by one a second, for a time.
func sending(t *testing.T, s *server, d time.Duration) (Status, string) {
	t.Helper()
	var log bytes.Buffer
	began := time.Now()
	o := Options{
		URL: "http://user:geheim@prometheus.example/api/v1/write", Interval: 15 * time.Second,
		Families: []telemetry.Metric{counter("seconds_total", func() float64 { return time.Since(began).Seconds() })},
		Logger:   slog.New(slog.NewTextHandler(&log, nil)),
	}
	sender, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	sender.endpoint.client.Transport = s
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := sender.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(log.String()+sender.Status().LastError+sender.Status().URL, "geheim") {
		t.Errorf("the password is shown: %s %+v", &log, sender.Status())
	}
	return sender.Status(), log.String()
}

func ok(int) (int, http.Header, string) { return http.StatusNoContent, nil, "" }

// TestEachIntervalAndAtTheEnd sends all numbers at each interval, and what they
// are when it ends.
func TestEachIntervalAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: ok}
		st, log := sending(t, s, 40*time.Second)
		want := []time.Duration{0, 15 * time.Second, 30 * time.Second, 40 * time.Second}
		if diff := cmp.Diff(want, s.times()); diff != "" {
			t.Error(diff)
		}
		if v := s.attempts[3].value(t); v != 40 {
			t.Errorf("the last value is %v", v)
		}
		if st.Sent != 4 || st.Failures+st.Refused+st.Late != 0 || st.LastError != "" || !st.LastSuccess.Equal(time.Now()) || log != "" {
			t.Errorf("%+v %s", st, log)
		}
		got := s.attempts[0].Header
		for name, value := range map[string]string{"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"} {
			if got.Get(name) != value {
				t.Errorf("%s is %q", name, got.Get(name))
			}
		}
	})
}

// TestFailuresAreTriedAgain sends the same request again after what may pass, no
// sooner than it is asked to.
func TestFailuresAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.answer = func(n int) (int, http.Header, string) {
			switch n {
			case 0:
				return 0, nil, ""
			case 1:
				return http.StatusServiceUnavailable, nil, "starting"
			case 2:
				return http.StatusTooManyRequests, http.Header{"Retry-After": {"7"}}, ""
			case 3:
				at := time.Now().Add(4 * time.Second).UTC().Format(http.TimeFormat)
				return http.StatusBadGateway, http.Header{"Retry-After": {at}}, ""
			}
			return ok(n)
		}
		st, log := sending(t, s, 14*time.Second)
		const first = 100 * time.Millisecond
		asked := first + 2*first + 7*time.Second
		at := s.times()
		if len(at) < 5 {
			t.Fatalf("%d attempts: %+v", len(at), st)
		}
		if diff := cmp.Diff([]time.Duration{0, first, 3 * first, asked}, at[:4]); diff != "" {
			t.Error(diff)
		}
		// A date has no fraction.
		if wait := at[4] - at[3]; wait < 3*time.Second || wait > 4*time.Second {
			t.Errorf("%v after a date", wait)
		}
		for n, a := range s.attempts[:5] {
			if !bytes.Equal(a.body, s.attempts[0].body) {
				t.Errorf("attempt %d is of another request", n)
			}
		}
		if st.Sent != 2 || st.Failures != 4 || st.Late+st.Refused != 0 || st.LastError != "" {
			t.Errorf("%+v", st)
		}
		if strings.Count(log, "\n") != 2 || !strings.Contains(log, "connection refused; check metrics.remote_write.url") || !strings.Contains(log, "again") {
			t.Errorf("the log has\n%s", log)
		}
	})
}

// TestAwayForLong gives up a request that is a minute old, with pauses that grow,
// and then sends newer numbers.
func TestAwayForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.answer = func(n int) (int, http.Header, string) {
			if time.Since(s.began) < 10*time.Minute {
				return http.StatusInternalServerError, nil, ""
			}
			return ok(n)
		}
		st, _ := sending(t, s, 11*time.Minute)
		away := 0
		for _, a := range s.attempts {
			if a.after < 10*time.Minute {
				away++
			} else if read := a.value(t); a.after.Seconds()-read > 60 {
				t.Errorf("after %v it sends what was read at %v s", a.after, read)
			}
		}
		if away > 35 || st.Late < 5 || st.Late > 10 || st.Failures != uint64(away) || st.Sent == 0 || st.LastError != "" {
			t.Errorf("%d attempts while it was away: %+v", away, st)
		}
	})
}

// TestRefusedIsDropped sends nothing again that is refused, and says what to do.
func TestRefusedIsDropped(t *testing.T) {
	for status, hint := range map[int]string{
		http.StatusBadRequest:       "set metrics.remote_write.labels",
		http.StatusUnauthorized:     "check metrics.remote_write.bearer_token_file",
		http.StatusNotFound:         "needs --web.enable-remote-write-receiver",
		http.StatusMovedPermanently: "where it leads, http://other:xxxxx@b/",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{}
			s.answer = func(n int) (int, http.Header, string) {
				return status, http.Header{"Location": {"http://other:geheim@b/"}}, "out of \x00 order"
			}
			st, log := sending(t, s, 44*time.Second)
			if diff := cmp.Diff([]time.Duration{0, 15 * time.Second, 30 * time.Second, 44 * time.Second}, s.times()); diff != "" {
				t.Error(diff)
			}
			if st.Refused != 4 || st.Sent+st.Late+st.Failures != 0 || !strings.Contains(st.LastError, hint) || !strings.Contains(st.LastError, `"out of \x00 order"`) {
				t.Errorf("%+v", st)
			}
			if strings.Count(log, "\n") != 1 {
				t.Errorf("the log has\n%s", log)
			}
		})
	}
}

// TestSecretsAreReadAgain shows what the file has now.
func TestSecretsAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	o := Options{
		URL: "http://prometheus.example/", Interval: time.Second, Headers: map[string]string{"X-Scope-OrgID": "team"},
		BearerTokenFile: write("token", "# of the team\n\nfirst\n"), UserAgent: "appliance/1",
	}
	s := &server{answer: ok}
	sender, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	sender.endpoint.client.Transport = s
	shown := func() string {
		t.Helper()
		if err := sender.endpoint.post(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		h := s.attempts[len(s.attempts)-1].Header
		return strings.Join([]string{h.Get("Authorization"), h.Get("X-Scope-OrgID"), h.Get("User-Agent")}, ", ")
	}
	if got := shown(); got != "Bearer first, team, appliance/1" {
		t.Error(got)
	}
	write("token", "second")
	if got := shown(); got != "Bearer second, team, appliance/1" {
		t.Error(got)
	}
	if err := os.Remove(o.BearerTokenFile); err != nil {
		t.Fatal(err)
	}
	var away *unavailableError
	if err := sender.endpoint.post(t.Context(), nil); !errors.As(err, &away) || !strings.Contains(err.Error(), "bearer_token_file") {
		t.Errorf("without the file: %v", err)
	}
	o.BearerTokenFile, o.BasicAuthFile = "", write("user", "ada:love:lace")
	if sender, err = New(o); err != nil {
		t.Fatal(err)
	}
	sender.endpoint.client.Transport = s
	if got := shown(); got != "Basic YWRhOmxvdmU6bGFjZQ==, team, appliance/1" {
		t.Error(got)
	}
}
