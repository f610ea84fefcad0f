package forwarder

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// What is in no block when it should be is sent again; not while Tempo is just slow, with much to do.
func TestIsOverdue(t *testing.T) {
	sent := time.Now()
	for name, c := range map[string]struct {
		age    time.Duration // since the acknowledgement, which took a second
		held   int64
		newest time.Duration // after sent, of what was found in a block
		want   bool
	}{
		"young":                             {59 * time.Second, 0, time.Hour, false},
		"old, and little to do":             {61 * time.Second, cheapBytes - 1, -time.Hour, true},
		"old, and much to do":               {61 * time.Second, cheapBytes, -time.Hour, false},
		"old, and later ones are in blocks": {61 * time.Second, cheapBytes, time.Second, true},
		"very old, and much to do":          {11 * time.Minute, 1 << 40, -time.Hour, true},
	} {
		f := New(Options{ResendAfter: time.Minute})
		f.digest.held.Store(c.held)
		p := &proof{f: f, newest: sent.Add(c.newest)}
		s := &shipment{sent: sent, acked: sent.Add(time.Second)}
		if got := p.isOverdue(s, s.acked.Add(c.age)); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// Tempo has ended where another run of it answers now; not where it did not say which run it is, neither now nor when it
// acknowledged: what it holds in memory would be sent again and again.
func TestJudgeUnknownProcess(t *testing.T) {
	acked := time.Now()
	for name, c := range map[string]struct {
		then, now string
		known     bool
		want      verdict
	}{
		"another run":                  {"1", "2", true, resendEnded},
		"two runs took parts":          {mixedProcess, "2", true, resendEnded},
		"the same run":                 {"1", "1", true, wait},
		"unknown now":                  {"1", "", true, wait},
		"unknown when acknowledged":    {"", "1", true, wait},
		"never known":                  {"", "", true, wait},
		"another run, but newer":       {"1", "2", false, wait},
		"unknown, but nobody is there": {"1", "", false, wait},
	} {
		for _, blocks := range []bool{true, false} {
			o := Options{ResendAfter: time.Hour, Settle: time.Hour}
			if blocks {
				o.Blocks = func(context.Context) ([]Block, error) { return nil, nil }
			}
			p := &proof{f: New(o)}
			s := &shipment{spans: 10, began: acked, acked: acked, process: c.then}
			if got := p.judge(s, c.known, c.now, time.Time{}, acked.Add(time.Minute)); got != c.want {
				t.Errorf("%s, with blocks %t: verdict %d, want %d", name, blocks, got, c.want)
			}
		}
	}
}

// Only an answer of OTLP's content type that decodes is Tempo's word; any other says what answers instead.
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
		err := judge(c.status, h, []byte(c.body))
		if (err == nil) != c.acknowledged {
			t.Errorf("%d %q %q: %v", c.status, c.kind, c.body, err)
		}
		var away *unavailableError
		if err != nil && (!errors.As(err, &away) || !strings.Contains(err.Error(), "welcome-page/1.0")) {
			t.Errorf("%d %q %q: the error %q does not say what answered", c.status, c.kind, c.body, err)
		}
	}
}

// dated is a block with the time of its file.
type dated struct {
	block
	written time.Time
}

func (b dated) Covers(tenant string, sent time.Time) bool {
	return b.block.Covers(tenant, sent) && !b.written.Before(sent)
}

// When the clock was set back, blocks seem to be older than what is in them.
func TestClockSetBack(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	spans := upTo(0, 10)
	pos := keep(t, s, "a", spans...)
	now := time.Now()
	for name, c := range map[string]struct {
		sent, written time.Time
		want          int
	}{
		"block after":             {now.Add(-time.Hour), now, 0},
		"block before":            {now.Add(-time.Hour), now.Add(-2 * time.Hour), 10},
		"sent by a clock ahead":   {now.Add(time.Hour), now, 0},
		"ahead, and other tenant": {now.Add(time.Hour), now, 10},
	} {
		tenant := "a"
		if name == "ahead, and other tenant" {
			tenant = "b"
		}
		p := &proof{f: New(k.options(s))}
		ship := &shipment{sent: c.sent}
		ship.add(pos, "a", len(spans), 1)
		must(t, p.checkBlock(dated{block{tenant, spans}, c.written}, []*shipment{ship}))
		if got := ship.missing(); got != c.want {
			t.Errorf("%s: %d spans are missing, want %d", name, got, c.want)
		}
	}
}
