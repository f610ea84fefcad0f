package rules

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

func TestMask(t *testing.T) {
	for text, want := range map[string]string{
		"nothing to hide":                                       "",
		"":                                                      "",
		"a=b&c=d":                                               "",
		"GET /login?user=ann&password=hunter2":                  "GET /login?user=ann&password=***",
		"GET /x?access_token=S3&lang=fr":                        "GET /x?access_token=***&lang=fr",
		"/cb?code=S3&state=S3#x":                                "/cb?code=***&state=***#x",
		"status code=5":                                         "",
		"/x?X-Amz-Signature=S3&X-Amz-Date=1":                    "/x?X-Amz-Signature=***&X-Amz-Date=1",
		"/x?next=%2Flogin%3Ftoken%3DS3%26b%3D1":                 "/x?next=%2Flogin%3Ftoken%3D***%26b%3D1",
		"https://ann:S3@host/x":                                 "https://ann:***@host/x",
		"https://S3@host/x":                                     "https://***@host/x",
		"postgres://ann:p@S3@db:5432/x?sslmode=on":              "postgres://ann:***@db:5432/x?sslmode=on",
		"https://host/x@y":                                      "",
		"Authorization: Bearer S3S3S3S3 and more":               "Authorization: ***",
		"sent Bearer abc.def-012_x~+/= to them":                 "sent Bearer *** to them",
		"Basic YW5uOmh1bnRlcjI=":                                "Basic ***",
		"basic idea":                                            "",
		"Cookie: a=S3; b=S3":                                    "Cookie: ***",
		"Set-Cookie: id=S3; Path=/\r\nX: y":                     "Set-Cookie: ***\r\nX: y",
		`{"user":"ann","password":"S3\"S3","n":1}`:              `{"user":"ann","password":"***","n":1}`,
		`{\"password\":\"S3\",\"a\":1}`:                         `{\"password\":\"***\",\"a\":1}`,
		"Server=db;User Id=ann;Password=S3;Timeout=5":           "Server=db;User Id=ann;Password=***;Timeout=5",
		"apiKey: S3, x: y":                                      "apiKey: ***, x: y",
		"AWS_SECRET_ACCESS_KEY=S3 run":                          "AWS_SECRET_ACCESS_KEY=*** run",
		"SELECT * FROM users WHERE password = 'S3' AND a = 'S'": "SELECT * FROM users WHERE password = '***' AND a = '***'",
		"SELECT * FROM users WHERE name = 'ann'":                "",
		"INSERT INTO u (name, passwd) VALUES ('ann', 'it''s')":  "INSERT INTO u (name, passwd) VALUES ('***', '***')",
		"ALTER USER ann IDENTIFIED BY 'S3'":                     "ALTER USER ann IDENTIFIED BY '***'",
		"CREATE ROLE ann PASSWORD 'S3' LOGIN":                   "CREATE ROLE ann PASSWORD '***' LOGIN",
		`UPDATE u SET "password"='S3', x = 1`:                   `UPDATE u SET "password"='***', x = 1`,
		"SET password = PASSWORD('S3')":                         "SET password = ***'***')",
		"password=":                                             "",
		"password='S3":                                          "password='***",
	} {
		before := []byte("before")
		out, found := mask(before, []byte(text))
		if want == "" {
			if found || string(out) != "before" {
				t.Errorf("%q became %q", text, out)
			}
			continue
		}
		if got := string(out[len(before):]); got != want {
			t.Errorf("%q became\n  %q, want\n  %q", text, got, want)
		}
	}
}

// secretKeys are the keys of docs/rules.md, as people write them.
var secretKeys = []string{
	"authorization", "http.request.header.authorization", "http.request.header.proxy-authorization", "rpc.grpc.request.metadata.authorization",
	"http.request.header.cookie", "http.response.header.set-cookie", "http.request.header.x-api-key", "http.request.header.X-Auth-Token",
	"access_token", "accessToken", "refresh-token", "id_token", "password", "db.password", "user.Passwd", "pwd", "passphrase",
	"client_secret", "clientSecret", "aws.secret_access_key", "private_key", "api_key", "apiKey", "app.apikey", "vault.token", "jwt", "credentials",
	"x-csrf-token", "connection_string", "http.request.header.x-vault-token", strings.Repeat("x", 80) + "_token",
}

// secretTexts are the kinds of text of docs/rules.md; %s is the secret.
var secretTexts = []string{
	"https://ann:%s@shop.example/cart", "https://shop.example/cb?access_token=%s&x=1", "/reset?token=%s", "/login?user=ann&password=%s#top",
	"/cb?code=%s", "/x?sig=%s&a=b", "/x?key=%s", "/x?X-Amz-Signature=%s", "/go?to=%%2Fcb%%3Ftoken%%3D%s", "redis://:%s@cache:6379/0", "amqp://ann:%s@mq/x",
	"Authorization: Bearer %s", "Bearer %s", "authorization: Basic %s", "Cookie: session=%s; theme=dark", `{"password": "%s"}`, "token=%s", "Password=%s;Timeout=1",
	"SELECT * FROM users WHERE password='%s'", "INSERT INTO users (name, password) VALUES ('ann', '%s')", "ALTER USER ann IDENTIFIED BY '%s'",
	"UPDATE users SET api_key = '%s' WHERE id = 7", "CREATE USER ann WITH PASSWORD '%s'",
}

// planter puts secrets everywhere, each another one.
type planter struct{ n int }

func (p *planter) secret() string {
	p.n++
	return fmt.Sprintf("LEAK%04dLEAKed", p.n)
}

func (p *planter) text(i int) string {
	return fmt.Sprintf(secretTexts[i%len(secretTexts)], p.secret())
}

func (p *planter) plant(m pcommon.Map) {
	for i, key := range secretKeys {
		switch i % 4 {
		case 0:
			m.PutStr(key, p.secret())
		case 1:
			m.PutEmptyBytes(key).FromRaw([]byte(p.secret()))
		case 2:
			m.PutEmptySlice(key).AppendEmpty().SetStr(p.secret())
		case 3:
			m.PutEmptyMap(key).PutStr("inner", p.secret())
		}
	}
	for i := range secretTexts {
		m.PutStr(fmt.Sprintf("text.%d", i), p.text(i))
		m.PutStr(fmt.Sprintf("long.%d", i), strings.Repeat("x", 200)+" "+p.text(i)+" "+strings.Repeat("y", 200))
		m.PutEmptyBytes(fmt.Sprintf("bytes.%d", i)).FromRaw([]byte(p.text(i)))
		list := m.PutEmptySlice(fmt.Sprintf("list.%d", i))
		list.AppendEmpty().SetStr(p.text(i))
		list.AppendEmpty().SetEmptyMap().PutStr("deep", p.text(i))
		for _, key := range secretKeys {
			list.AppendEmpty().SetEmptyMap().PutStr(key, p.secret())
		}
	}
}

// A secret that is planted in any place of a request, by any key and in any
// kind of text that is documented, is gone.
func TestNoPlantedSecretIsLeft(t *testing.T) {
	p := &planter{}
	td := ptrace.NewTraces()
	for i := range len(secretTexts) {
		rs := td.ResourceSpans().AppendEmpty()
		p.plant(rs.Resource().Attributes())
		rs.SetSchemaUrl(p.text(i))
		ss := rs.ScopeSpans().AppendEmpty()
		ss.SetSchemaUrl(p.text(i))
		ss.Scope().SetName(p.text(i))
		ss.Scope().SetVersion(p.text(i))
		p.plant(ss.Scope().Attributes())
		s := ss.Spans().AppendEmpty()
		s.SetTraceID(pcommon.TraceID{1})
		s.SetSpanID(pcommon.SpanID{byte(i + 1)})
		s.SetName(p.text(i))
		s.TraceState().FromRaw(p.text(i))
		s.Status().SetMessage(p.text(i))
		p.plant(s.Attributes())
		e := s.Events().AppendEmpty()
		e.SetName(p.text(i))
		p.plant(e.Attributes())
		l := s.Links().AppendEmpty()
		l.SetTraceID(pcommon.TraceID{2})
		l.SetSpanID(pcommon.SpanID{2})
		l.TraceState().FromRaw(p.text(i))
		p.plant(l.Attributes())
	}
	body := marshal(t, td)
	// A key that is given twice, behind its value, and one that is empty first:
	// what readers see is the last.
	body = append(body, odd(p)...)
	if n := bytes.Count(body, []byte("LEAK")); n != 2*p.n {
		t.Fatalf("%d secrets were planted, the request has %d", p.n, n/2)
	}
	for _, rules := range [][]string{
		{"preset secrets"},
		{"preset traefik", "preset secrets", "cut attribute long.1 to 100", "hash attribute text.*", `drop span where name = "nobody"`, "drop attribute x where span.y = z"},
	} {
		var counts Counts
		out, changed, err := mustNew(t, rules...).Apply(nil, body, &counts, nil)
		if err != nil || !changed {
			t.Fatal(changed, err)
		}
		if at := bytes.Index(out, []byte("LEAK")); at >= 0 {
			t.Errorf("%d of %d secrets are left, such as in %q", bytes.Count(out, []byte("LEAK"))/2, p.n, out[max(0, at-60):at+16])
		}
		if _, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(out); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d secrets were planted", p.n)
}

// odd has attributes that no SDK writes in this way, in ScopeSpans of the deprecated number.
func odd(p *planter) []byte {
	field := func(number byte, parts ...string) string {
		v := strings.Join(parts, "")
		return string([]byte{number<<3 | 2}) + string(varint(len(v))) + v
	}
	value := func() string { return field(2, field(1, p.secret())) }
	kvs := []string{
		value() + field(1, "password"),
		field(1, "harmless") + value() + field(1, "password"),
		field(1, "password") + value() + value(),
		field(1, "x") + field(2, "\x18\x01", field(1, "token="+p.secret())),
		field(1, "x") + field(2, field(1, "fine"), field(6, field(1, field(1, "password"), value()))),
		field(1, "x") + field(2, field(1, "fine")) + field(2, field(1, "token="+p.secret())),
	}
	span := field(1, strings.Repeat("t", 16)) + field(2, strings.Repeat("s", 8))
	for _, kv := range kvs {
		span += field(9, kv)
	}
	scope := field(2, span)
	return []byte(field(1, "\xc2\x3e"+string(varint(len(scope)))+scope))
}

func TestFewKeysAreSecrets(t *testing.T) {
	for _, key := range secretKeys {
		if !isSecret([]byte(key)) {
			t.Errorf("%s is not taken for a secret", key)
		}
	}
	for name := range secretNames {
		for _, key := range []string{name, strings.ToUpper(name), "http.request.header." + strings.ReplaceAll(name, "_", "-")} {
			if !isSecret([]byte(key)) {
				t.Errorf("%s is not taken for a secret", key)
			}
		}
	}
	for _, ending := range secretEndings {
		if !isSecret([]byte("my" + ending)) {
			t.Errorf("my%s is not taken for a secret", ending)
		}
	}
	for _, key := range []string{
		"service.name", "http.request.method", "url.full", "url.query", "user.id", "enduser.id", "session.id", "code.function", "db.query.text",
		"gen_ai.usage.input_tokens", "http.request.header.accept", "token.count", "messaging.message.id", "traefik.router.name", "key", "thread.id", "",
	} {
		if isSecret([]byte(key)) {
			t.Errorf("%s is taken for a secret", key)
		}
	}
}
