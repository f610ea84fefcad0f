package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestServeRefusesKeysThatItWouldIgnore(t *testing.T) {
	const remedy = " is of a Tempo elsewhere, and without forwarder.tempo_url spans are stored here; set forwarder.tempo_url, or remove it"
	for _, c := range []struct {
		name, yaml string
		want       string // lines
	}{
		{"nothing", "", ""},
		{"source and query without a Tempo elsewhere", "archive: {source: 's3://b'}\ntempo: {query_url: 'http://h'}\n",
			"c.yaml:1:19: archive.source:" + remedy + "\nc.yaml:2:20: tempo.query_url:" + remedy},
		{"with one", "forwarder: {tempo_url: 'http://h'}\narchive: {source: 's3://b'}\ntempo: {query_url: 'http://h'}\n", ""},
		{"one port", "http: {listen: '127.0.0.1:4318'}\n",
			"c.yaml:1:16: http.listen: 127.0.0.1:4318 is taken by receiver.listen (:4318); give each a port of its own"},
		{"one port for both kinds of OTLP", "receiver: {grpc_listen: ':4318'}\n",
			"c.yaml:1:25: receiver.grpc_listen: :4318 is taken by receiver.listen (:4318); give each a port of its own"},
		{"grpc on the port of the read API", "receiver: {grpc_listen: '127.0.0.1:3200'}\n",
			"c.yaml:1:25: receiver.grpc_listen: 127.0.0.1:3200 is taken by http.listen (:3200); give each a port of its own"},
		{"no grpc", "receiver: {grpc_listen: ''}\n", ""},
		{"the port that grpc has by default", "receiver: {listen: ':4317'}\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := load(t, c.yaml, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := l.CheckServe(); err != nil {
				got = err.Error()
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// Where a key could not be read, it is not known what it would have said.
func TestServeJudgesNothingByWhatCouldNotBeRead(t *testing.T) {
	l, err := load(t, "forwarder: {tempo_url: [a]}\nreceiver: {listen: [a]}\nhttp: {listen: ':4318'}\narchive: {source: 's3://b'}\n", nil, nil)
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Fatal(err)
	}
	if err := l.CheckServe(); err != nil {
		t.Error(err)
	}
}

func TestSameAddress(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{":1", ":1", true},
		{":1", ":2", false},
		{":0", ":0", false},
		{"127.0.0.1:1", ":1", true},
		{"127.0.0.1:1", "[::]:1", true},
		{"127.0.0.1:1", "0.0.0.0:1", true},
		{"[::1]:1", "0.0.0.0:1", false},
		{"[::1]:1", "127.0.0.1:1", false},
		{"localhost:1", "0.0.0.0:1", true},
		{"localhost:1", "localhost:1", true},
		{"a.example:1", "b.example:1", false},
		{"10.0.0.1:1", "10.0.0.2:1", false},
		{"", ":1", false},
	} {
		if got := sameAddress(c.a, c.b); got != c.want {
			t.Errorf("%s and %s: %t", c.a, c.b, got)
		}
		if got := sameAddress(c.b, c.a); got != c.want {
			t.Errorf("%s and %s: %t", c.b, c.a, got)
		}
	}
}
