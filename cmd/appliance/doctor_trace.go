package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"appliance/cmd/appliance/serve"
	"appliance/cmd/appliance/status"
	"appliance/internal/config"
)

const (
	// readBack is how long a trace that was acknowledged may take to be found.
	readBack = 30 * time.Second
	// slowTrace is from where on that is worth a warning.
	slowTrace = 5 * time.Second
	// maxClockDifference is how far two clocks may be apart.
	maxClockDifference = 2 * time.Second
)

func (d *doctor) checkAppliance(ctx context.Context) {
	const check = "appliance"
	body, err := d.from.get(ctx, status.Path, maxStatus)
	if err == nil {
		err = body.trouble()
	}
	if err != nil {
		d.say(check, wrong, "Start it, or see its log. Nothing more can be asked of it until then.", "%v", err)
		return
	}
	s := &status.Status{}
	if err := json.Unmarshal(body.body, s); err != nil {
		d.say(check, wrong, "Is --url, or http.listen, that of an appliance?", "%s does not answer as one does: %v", d.from.shown, err)
		return
	}
	d.status = s
	switch {
	case !s.Ready:
		d.say(check, wrong, "Clients are answered 503 and send again. The findings below say why.", "it is not ready: %s", s.NotReady)
	case s.Version != version:
		d.say(check, warning, "Start it again with the binary that is installed, or use that of the running one.", "version %s runs, and this is %s", s.Version, version)
	default:
		d.say(check, fine, "", "version %s, up %s, ready", s.Version, (time.Duration(s.Uptime) * time.Second).String())
	}
	if then, err := http.ParseTime(body.header.Get("Date")); err == nil {
		if apart := time.Since(then).Abs(); apart > maxClockDifference {
			d.say("clock", warning, "Keep both by NTP: times of spans, retention and searches depend on them.", "the clock of the appliance is %s from that of this machine", apart.Round(time.Second))
		}
	}
}

// checkTrace sends a trace and reads it back.
func (d *doctor) checkTrace(ctx context.Context) {
	const check = "trace"
	switch {
	case !d.send:
		d.say(check, skipped, "", "nothing was to be sent")
		return
	case d.status == nil:
		d.say(check, skipped, "", "the appliance does not answer")
		return
	}
	id, body, err := probeTrace()
	if err != nil {
		d.say(check, wrong, "", "make a trace: %v", err)
		return
	}
	to, tenant, err := d.sendTrace(ctx, body)
	if err != nil {
		d.say(check, wrong, "Clients see the same. See receiver.listen, receiver.tls and receiver.auth, and the log.", "it is not taken: %v", err)
		return
	}
	d.from.tenant = tenant
	began := time.Now()
	for tick := time.NewTicker(200 * time.Millisecond); ; {
		found, _, err := d.from.trace(ctx, id)
		took := time.Since(began).Round(time.Millisecond)
		switch {
		case found != nil && took > slowTrace:
			d.say(check, warning, "The page /status says what is slow.", "%x was sent to %s, and found only after %s", id, to, took)
			return
		case found != nil:
			d.say(check, fine, "", "%x was sent to %s, and found after %s", id, to, took)
			return
		case unreadable(err):
			d.say(check, warning, "Set tempo.query_url to read through the appliance.", "%x was taken, and cannot be read back: there is no Tempo to read from", id)
			return
		case took > readBack || ctx.Err() != nil:
			d.say(check, wrong, "Is it dropped by receiver.rules? Does the store or Tempo work? See the page /status.", "%x was taken by %s, and is not found after %s: %v", id, to, took, err)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// unreadable says of an error that the appliance has nothing to read traces from.
func unreadable(err error) bool {
	said, ok := errors.AsType[*answerError](err)
	return ok && said.status == http.StatusNotImplemented
}

// probeTrace is a trace of one span that every sampler of ours keeps.
func probeTrace() (id [16]byte, body []byte, err error) {
	_, _ = rand.Read(id[:]) // never fails
	var span [8]byte
	_, _ = rand.Read(span[:])
	traces := ptrace.NewTraces()
	rs := traces.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "appliance-doctor")
	s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	s.SetTraceID(pcommon.TraceID(id))
	s.SetSpanID(pcommon.SpanID(span))
	s.SetName("doctor")
	s.Attributes().PutInt("sampling.priority", 1)
	now := time.Now()
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-time.Millisecond)))
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(now))
	body, err = new(ptrace.ProtoMarshaler).MarshalTraces(traces)
	return id, body, err
}

// sendTrace sends a request, as the first tenant where there are several.
func (d *doctor) sendTrace(ctx context.Context, body []byte) (to, tenant string, err error) {
	to, client, authorization, err := d.intake()
	if err != nil {
		return to, "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	to = config.Redact(to)
	if err != nil {
		return to, "", err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	if len(d.conf.Receiver.Tenants) > 0 {
		tenant = d.conf.Receiver.Tenants[0]
		req.Header.Set("X-Scope-OrgID", tenant)
	}
	resp, err := client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return to, tenant, fmt.Errorf("send to %s: %w", to, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return to, tenant, fmt.Errorf("%s answers %s: %s", to, resp.Status, printable(strings.TrimSpace(string(text))))
	}
	return to, tenant, nil
}

// intake is where spans are sent to, and how.
func (d *doctor) intake() (to string, client *http.Client, authorization string, err error) {
	if d.otlp != "" || !d.local {
		base := strings.TrimSuffix(d.otlp, "/")
		if base == "" {
			return "", nil, "", errors.New("name the receiver with --otlp-url")
		}
		return base + "/v1/traces", d.from.http, d.from.authorization, nil
	}
	r := d.conf.Receiver
	scheme := "http"
	if r.TLS.CertFile != "" {
		scheme = "https"
	}
	var own asker
	trusted, err := own.trust(r.TLS, r.Auth.BearerTokenFile, "")
	if err != nil {
		return "", nil, "", err
	}
	return scheme + "://" + serve.Reachable(r.Listen) + "/v1/traces", clientOf(trusted), own.authorization, nil
}

// checkAccount repeats what the status page warns of.
func (d *doctor) checkAccount(context.Context) {
	const check = "account"
	if d.status == nil {
		d.say(check, skipped, "", "the appliance does not answer")
		return
	}
	warnings := status.Warnings(*d.status, time.Now())
	for _, w := range warnings {
		v := warning
		if w.Grave {
			v = wrong
		}
		d.say(check, v, w.Do, "%s", w.What)
	}
	if len(warnings) == 0 {
		d.say(check, fine, "", "of %s every one is accounted for, and nothing is warned of", several(d.status.Ledger.Received, "span"))
	}
}

// canSee says whether the data directory is here.
func (d *doctor) canSee() bool {
	if !d.local {
		return false
	}
	_, err := os.Stat(d.conf.DataDir)
	return err == nil
}
