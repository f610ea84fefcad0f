package forwarder

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// Tempo has ended where another run of it answers now; not where it did not say
// which run it is, neither now nor when it acknowledged: what it holds in
// memory would be sent again and again.
func TestJudgeUnknownProcess(t *testing.T) {
	acked := time.Now()
	for name, c := range map[string]struct {
		then, now string
		known     bool
		want      verdict
	}{
		"another run":                  {"1", "2", true, ended},
		"two runs took parts":          {mixedProcess, "2", true, ended},
		"the same run":                 {"1", "1", true, wait},
		"unknown now":                  {"1", "", true, wait},
		"unknown when acknowledged":    {"", "1", true, wait},
		"never known":                  {"", "", true, wait},
		"another run, but newer":       {"1", "2", false, wait},
		"unknown, but nobody is there": {"1", "", false, wait},
	} {
		p := &proof{f: New(Options{Settle: time.Hour})}
		s := &shipment{spans: 10, began: acked, acked: acked, process: c.then}
		if got := p.judge(s, sight{known: c.known, process: c.now, since: acked.Add(time.Minute), now: acked.Add(time.Minute)}); got != c.want {
			t.Errorf("%s: verdict %d, want %d", name, got, c.want)
		}
	}
}

// A record leaves after the settle time if it is known that the Tempo that took
// it still runs, or if which run that was never was known. One that has told, and
// is silent now, may be down.
func TestJudgeSettled(t *testing.T) {
	acked := time.Now()
	for name, c := range map[string]struct {
		then, now string
		known     bool
		broke     time.Duration // after the acknowledgement
		want      verdict
	}{
		"the same run":                     {"1", "1", true, 0, done},
		"another run":                      {"1", "2", true, 0, ended},
		"silent now":                       {"1", "", true, 0, wait},
		"silent now, and one broke":        {"1", "", true, time.Second, ended},
		"silent when it took parts of it":  {mixedProcess, "", true, 0, wait},
		"nobody is there":                  {"1", "1", false, 0, wait},
		"unknown when acknowledged":        {"", "1", true, 0, done},
		"never known":                      {"", "", true, 0, done},
		"never known, and one broke":       {"", "", true, time.Second, ended},
		"never known, and one broke later": {"", "", true, time.Hour, done},
	} {
		p := &proof{f: New(Options{Settle: time.Minute})}
		s := &shipment{spans: 10, began: acked, acked: acked, process: c.then}
		var broke time.Time
		if c.broke > 0 {
			broke = acked.Add(c.broke)
		}
		if got := p.judge(s, sight{known: c.known, process: c.now, since: acked.Add(time.Hour), broke: broke, now: acked.Add(2 * time.Hour)}); got != c.want {
			t.Errorf("%s: verdict %d, want %d", name, got, c.want)
		}
	}
}

// What is known to have lived only before the settle time was over may have
// ended within it.
func TestJudgeUnseen(t *testing.T) {
	acked := time.Now()
	p := &proof{f: New(Options{Settle: time.Minute})}
	for since, want := range map[time.Duration]verdict{59 * time.Second: wait, time.Minute: done} {
		s := &shipment{spans: 10, began: acked, acked: acked, process: "1"}
		if got := p.judge(s, sight{known: true, process: "1", since: acked.Add(since), now: acked.Add(time.Hour)}); got != want {
			t.Errorf("seen for %s: verdict %d, want %d", since, got, want)
		}
	}
}

// Only an answer of OTLP's content type that decodes is Tempo's word; any other
// says what answers instead.
func TestAcknowledgement(t *testing.T) {
	full := ptraceotlp.NewExportResponse()
	full.PartialSuccess().SetErrorMessage("fine")
	answer, err := full.MarshalProto()
	must(t, err)
	for _, c := range []struct {
		status       int
		kind, body   string
		acknowledged bool
	}{
		{200, "application/x-protobuf", "", true},
		{200, "application/x-protobuf; charset=utf-8", string(answer), true},
		{202, "application/x-protobuf", "", true},
		{200, "application/json", "{}", true},
		{200, "application/json; charset=utf-8", `{"partialSuccess":{}}`, true},
		{200, "application/json", "", false},
		{200, "application/json", "<html>", false},
		{200, "application/x-protobuf", "<html>", false},
		{200, "", "", false},
		{200, "text/html", "", false},
		{200, "text/plain", "ok\n", false},
		{200, "text/plain; charset=utf-8", "Hi", false},
		{200, "application/octet-stream", "", false},
		{200, "application/grpc", "", false},
		{202, "text/html", "OK", false},
		{204, "", "", false},
	} {
		h := http.Header{"Server": {"welcome-page/1.0"}}
		if c.kind != "" {
			h.Set("Content-Type", c.kind)
		}
		err := answerError(c.status, h, []byte(c.body))
		if (err == nil) != c.acknowledged {
			t.Errorf("%d %q %q: %v", c.status, c.kind, c.body, err)
		}
		var away *unavailableError
		if err != nil && (!errors.As(err, &away) || !strings.Contains(err.Error(), "welcome-page/1.0")) {
			t.Errorf("%d %q %q: the error %q does not say what answered", c.status, c.kind, c.body, err)
		}
	}
}
