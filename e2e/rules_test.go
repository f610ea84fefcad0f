package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"appliance/e2e/internal/harness"
)

// secretKeys are what docs/rules.md lists for preset secrets.
var secretKeys = strings.Fields(`authorization proxy_authorization cookie set_cookie token jwt password passwd pwd passphrase
	passcode secret client_secret secret_key private_key shared_secret signing_key api_key apikey access_key secret_access_key
	account_key credential credentials connection_string my_token my_password my_passwd my_secret my_secret_key my_api_key
	my_apikey my_private_key my_access_key my_authorization my_cookie
	http.request.header.authorization http.request.header.X-Api-Key db.Password clientSecret rpc.metadata.set-cookie`)

// secretTexts are kinds of text of that list, each with one secret.
var secretTexts = []string{
	"/login?user=ann&password=%s", "/x?next=%%2Flogin%%3Ftoken%%3D%s", "Authorization: Bearer %s", "https://ann:%s@db.example/x", "sent Bearer %s to them",
	"Basic %s", `{"user":"ann","password":"%s"}`, "Server=db;Password=%s;Timeout=5", "/cb?code=%s", "/x?sig=%s", "ALTER USER ann IDENTIFIED BY '%s'",
	"INSERT INTO users (name, password) VALUES (ann, '%s')", "/x?X-Amz-Signature=%s", "Cookie: id=%s",
}

// secrets makes secrets, each another one, and counts them.
type secrets struct{ n int }

func (s *secrets) next() string {
	s.n++
	return fmt.Sprintf("LEAK%05dLEAK", s.n)
}

func (s *secrets) text() string { return fmt.Sprintf(secretTexts[s.n%len(secretTexts)], s.next()) }

func textValue(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}

// attributes have each key of a secret, with values of different kinds, and each kind of text.
func (s *secrets) attributes() (all []*common.KeyValue) {
	for i, key := range secretKeys {
		var value *common.AnyValue
		switch i % 4 {
		case 0:
			value = textValue(s.next())
		case 1:
			value = &common.AnyValue{Value: &common.AnyValue_BytesValue{BytesValue: []byte(s.next())}}
		case 2:
			value = &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{textValue(s.next())}}}}
		case 3:
			inner := []*common.KeyValue{{Key: "inner", Value: textValue(s.next())}}
			value = &common.AnyValue{Value: &common.AnyValue_KvlistValue{KvlistValue: &common.KeyValueList{Values: inner}}}
		}
		all = append(all, &common.KeyValue{Key: key, Value: value})
	}
	for i := range secretTexts {
		all = append(all, &common.KeyValue{Key: fmt.Sprintf("text.%d", i), Value: textValue(s.text())})
	}
	return all
}

// request has secrets in every field of a span, an event, a link, a resource
// and a scope that can have one.
func (s *secrets) request(id []byte) *collector.ExportTraceServiceRequest {
	now := uint64(time.Now().UnixNano())
	span := &trace.Span{
		TraceId: id, SpanId: randomBytes(8), TraceState: "vendor=token:" + s.next(), Name: s.text(), StartTimeUnixNano: now, EndTimeUnixNano: now + 1e6,
		Attributes: s.attributes(), Status: &trace.Status{Message: s.text()},
		Events: []*trace.Span_Event{{TimeUnixNano: now, Name: s.text(), Attributes: s.attributes()}},
		Links:  []*trace.Span_Link{{TraceId: randomBytes(16), SpanId: randomBytes(8), TraceState: "vendor=token:" + s.next(), Attributes: s.attributes()}},
	}
	dropped := &trace.Span{TraceId: id, SpanId: randomBytes(8), ParentSpanId: span.SpanId, Name: "drop me", StartTimeUnixNano: now, EndTimeUnixNano: now + 1}
	child := &trace.Span{TraceId: id, SpanId: randomBytes(8), ParentSpanId: dropped.SpanId, Name: "child", StartTimeUnixNano: now, EndTimeUnixNano: now + 1}
	return &collector.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource: &resource.Resource{Attributes: s.attributes()}, SchemaUrl: "https://ann:" + s.next() + "@example/1",
		ScopeSpans: []*trace.ScopeSpans{{
			Scope:     &common.InstrumentationScope{Name: s.text(), Version: s.text(), Attributes: s.attributes()},
			SchemaUrl: "https://ann:" + s.next() + "@example/2", Spans: []*trace.Span{span, dropped, child},
		}},
	}}}
}

// TestRulesLeaveNoSecret plants what preset secrets documents, over each way
// in: none is in an answer, in the queue, in blocks or in the archive, and the
// account has what the rules did.
func TestRulesLeaveNoSecret(t *testing.T) {
	const drop = `drop span where name = "drop me"`
	env := harness.QuickBlocks()
	env["APPLIANCE_RECEIVER_RULES"] = "preset secrets," + drop
	a := harness.Start(t, harness.Options{Env: env})
	planted, ids := &secrets{}, map[string]int{}
	for _, way := range []string{"protobuf", "json", "grpc"} {
		id := randomBytes(16)
		ids[fmt.Sprintf("%x", id)] = 2
		r := planted.request(id)
		body, err := proto.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		switch way {
		case "grpc":
			if _, err := export(dialConn(t, a.GRPC), t.Context(), body); err != nil {
				t.Fatal(err)
			}
			continue
		case "json":
			if body, err = protojson.Marshal(r); err != nil {
				t.Fatal(err)
			}
			body = hexIDs(body, r)
		}
		header := http.Header{"Content-Type": {map[string]string{"protobuf": "application/x-protobuf", "json": "application/json"}[way]}}
		if answer, err := a.Post(t.Context(), bytes.NewReader(body), header); err != nil || answer.Status != http.StatusOK {
			t.Fatalf("%s: %v, %v", way, answer, err)
		}
	}
	noLeak := func(where string) {
		t.Helper()
		a.MustFind(t, ids)
		for id := range maps.Keys(ids) {
			found, err := a.Trace(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			holdNoLeak(t, where, []byte(found.String()))
		}
		holdNoLeakBelow(t, where, a.DataDir)
	}
	noLeak("in the queue")
	harness.Eventually(t, 2*time.Minute, "all in blocks, and these archived", func() error {
		s, err := a.Status(t.Context())
		if err == nil && (s.Ledger.Pending > 0 || s.Archive.ArchivedBlocks == 0 || s.Archive.PendingBlocks > 0) {
			err = fmt.Errorf("%d spans pending, %d blocks archived", s.Ledger.Pending, s.Archive.ArchivedBlocks)
		}
		return err
	})
	noLeak("in blocks")
	account := a.Account(t)
	if account.Kept != 6 || account.RuledOut[drop] != 3 || account.Received != 9 {
		t.Errorf("the account is %+v", account)
	}
	_, samples := a.Metrics(t)
	edits := samples[`appliance_receiver_rule_edits_total{rule="preset secrets"}`]
	if int(edits) != planted.n {
		t.Errorf("%d secrets were planted, %v edits are counted", planted.n, edits)
	}
}

// hexIDs writes the ids of spans and links as OTLP has them in JSON; protojson writes base64.
func hexIDs(text []byte, r *collector.ExportTraceServiceRequest) []byte {
	for _, s := range r.ResourceSpans[0].ScopeSpans[0].Spans {
		all := [][]byte{s.TraceId, s.SpanId, s.ParentSpanId}
		for _, l := range s.Links {
			all = append(all, l.TraceId, l.SpanId)
		}
		for _, id := range all {
			if encoded, err := protojson.Marshal(&trace.Span{TraceId: id}); err == nil && len(id) > 0 {
				quoted := encoded[bytes.IndexByte(encoded, ':')+1 : len(encoded)-1]
				text = bytes.ReplaceAll(text, bytes.TrimSpace(quoted), fmt.Appendf(nil, "%q", fmt.Sprintf("%x", id)))
			}
		}
	}
	return text
}

func holdNoLeak(t *testing.T, where string, text []byte) {
	t.Helper()
	if at := bytes.Index(text, []byte("LEAK")); at >= 0 {
		t.Errorf("%s: %d secrets are left, such as %q", where, bytes.Count(text, []byte("LEAK"))/2, text[max(0, at-80):min(len(text), at+20)])
	}
}

// holdNoLeakBelow looks into files as they are: the queue's are not compressed.
func holdNoLeakBelow(t *testing.T, where, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // it went as we looked
		}
		if text, err := os.ReadFile(path); err == nil {
			files++
			holdNoLeak(t, where+", "+path, text)
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("looked into %d files: %v", files, err)
	}
}
