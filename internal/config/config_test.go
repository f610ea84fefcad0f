package config

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func load(t *testing.T, text string, env map[string]string, flags map[string]string) (Loaded, error) {
	t.Helper()
	src := Sources{Flags: flags, Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	if text != "" {
		t.Chdir(t.TempDir())
		src.File = "c.yaml"
		if err := os.WriteFile(src.File, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(src)
}

// Editors on Windows begin a file with a byte order mark and end lines with CR LF.
func TestFilesOfWindows(t *testing.T) {
	l, err := load(t, "\xef\xbb\xbfdata_dir: /srv\r\nreceiver:\r\n  listen: ':1'\r\n", nil, nil)
	if err != nil || l.DataDir != "/srv" || l.Receiver.Listen != ":1" {
		t.Errorf("%q, %q, %v", l.DataDir, l.Receiver.Listen, err)
	}
	if _, err := load(t, "\xff\xfed\x00", nil, nil); err == nil || err.Error() != "c.yaml: begins with the byte order mark of UTF-16; save it as UTF-8" {
		t.Error(err)
	}
	if _, err := load(t, "receiver:\n\u00a0 listen: ':1'\n", nil, nil); err == nil || !strings.Contains(err.Error(), "c.yaml:2:") {
		t.Errorf("a space that does not break: %v", err)
	}
}

func TestEachBadFileNamesLineColumnAndRemedy(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"unknown key", "receiver:\n  listn: x\n", `c.yaml:2:3: unknown key receiver.listn; did you mean receiver.listen?`},
		{"unknown group", "recever:\n  listen: x\n", `c.yaml:1:1: unknown key recever; did you mean receiver?`},
		{"key in the wrong group", "listen: x\n", `c.yaml:1:1: unknown key listen; did you mean http.listen?`},
		{"of before", "tempo: {retention: 24h}\n", `c.yaml:1:9: tempo.retention is called retention now`},
		{"gone", "tempo:\n  config_file: t.yml\n", "c.yaml:2:3: tempo.config_file is gone with the embedded Tempo; `appliance config from-tempo FILE` prints what of the file means something here"},
		{"far from anything", "zzzzzzzzzzzz: x\n", `c.yaml:1:1: unknown key zzzzzzzzzzzz; appliance config print --defaults shows the known ones`},
		{"size", "receiver: {max_body_bytes: 3x}\n", `c.yaml:1:28: receiver.max_body_bytes: "3x" is not a size; write it like 16MiB`},
		{"number", "sampler:\n  probability: much\n", `c.yaml:2:16: sampler.probability: "much" is not a number`},
		{"duration", "retention: 24\n", `c.yaml:1:12: retention: "24" is not a duration; write it like 90s, 24h or 30d`},
		{"share", "sampler:\n  pressure_threshold: 7\n", `c.yaml:2:23: sampler.pressure_threshold: 7 is not a share of the spool between 0 and 1`},
		{"group without keys", "receiver: 5\n", `c.yaml:1:11: receiver needs keys below it, not "5"`},
		{"list", "receiver: {tenants: a}\n", `c.yaml:1:21: receiver.tenants is a list; write it like [a, b]`},
		{"map", "sampler: {services: [a]}\n", `c.yaml:1:21: sampler.services is a map; write it like {name: value}`},
		{"scalar", "data_dir: [a]\n", `c.yaml:1:11: data_dir is a string, and this is not`},
		{"twice", "data_dir: a\ndata_dir: b\n", `c.yaml:2:1: mapping key "data_dir" already defined at [1:1]`},
		{"syntax", "a: [", `c.yaml:1:4: sequence end token ']' not found`},
		{"two documents", "data_dir: a\n---\ndata_dir: b\n", `c.yaml:3:9: a second YAML document; put everything into one`},
		{"variable", "data_dir: /x/${NOT_SET}\n", `c.yaml:1:11: data_dir: the environment variable NOT_SET is not set; set it, or write ${NOT_SET:-default}`},
		{"URL keeps its password", "forwarder: {tempo_url: 'ftp://u:geheim@h'}\n", `c.yaml:1:24: forwarder.tempo_url: "ftp://u:xxxxx@h" is not a URL; write it like http://tempo.example:4318, or nomad://SERVICE for a service that Nomad knows`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, c.yaml, nil, nil)
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	for _, c := range []struct {
		name, yaml string
		env, flags map[string]string
		want       []string
	}{
		{"values", "log:\n  level: loud\n  format: xml\n", nil, nil, []string{
			`c.yaml:2:10: log.level: "loud" is none of debug, info, warn, error`,
			`c.yaml:3:11: log.format: "xml" is none of auto, text, json`,
		}},
		{"texts, values, variables and flags", "spool: {max_bytes: 10XB}\nhttp: {listen: foo}\nlog: {level: loud}\n",
			map[string]string{"APPLIANCE_RETENTION": "long"}, map[string]string{"http-listen": "2"}, []string{
				`c.yaml:1:20: spool.max_bytes: "10XB" is not a size; write it like 16MiB`,
				`APPLIANCE_RETENTION: "long" is not a duration; write it like 90s, 24h or 30d`,
				`--http-listen: "2" is not an address; write it like :4318 or 127.0.0.1:4318`,
				`c.yaml:3:14: log.level: "loud" is none of debug, info, warn, error`,
			}},
		{"entries of lists and maps", "receiver: {tenants: [[a], {b: c}]}\nsampler: {services: {a: x, b: y}}\n", nil, nil, []string{
			`c.yaml:1:22: each entry of receiver.tenants is a single value, and this is not`,
			`c.yaml:1:27: each entry of receiver.tenants is a single value, and this is not`,
			`c.yaml:2:25: sampler.services.a: "x" is not a number`,
			`c.yaml:2:31: sampler.services.b: "y" is not a number`,
		}},
		{"a file that cannot be parsed", "a: [", map[string]string{"APPLIANCE_LOG_LEVEL": "loud", "APPLIANCE_RECEIVER_INFLIGHT_BYTES": "2MiB"}, nil, []string{
			`c.yaml:1:4: sequence end token ']' not found`,
			`APPLIANCE_LOG_LEVEL: "loud" is none of debug, info, warn, error`,
		}},
		{"a value that cannot be read is not judged, and what it stands before neither", "receiver: {max_body_bytes: x, inflight_bytes: 2MiB}\nlog: {level: loud}\nspool: {max_bytes: 1}\n",
			map[string]string{"APPLIANCE_SPOOL_MAX_BYTES": "x"}, map[string]string{"log-level": "warn"}, []string{
				`c.yaml:1:28: receiver.max_body_bytes: "x" is not a size; write it like 16MiB`,
				`APPLIANCE_SPOOL_MAX_BYTES: "x" is not a size; write it like 16MiB`,
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, c.yaml, c.env, c.flags)
			if err == nil {
				t.Fatal("taken")
			}
			if d := cmp.Diff(c.want, strings.Split(err.Error(), "\n")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestFlagOverEnvironmentOverFileOverDefault(t *testing.T) {
	file := "receiver: {listen: ':1'}\nhttp: {listen: ':2'}\nlog: {level: debug}\nsampler:\n  services: {a: 0.5}\n"
	env := map[string]string{"APPLIANCE_HTTP_LISTEN": ":3", "APPLIANCE_LOG_LEVEL": "warn", "APPLIANCE_RECEIVER_TENANTS": "a, b", "APPLIANCE_LOG_FORMAT": ""}
	got, err := load(t, file, env, map[string]string{"log-level": "error"})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Receiver.Listen = ":1"
	want.HTTP.Listen = ":3"
	want.Log.Level = "error"
	want.Receiver.Tenants = []string{"a", "b"}
	want.Sampler.Services = map[string]float64{"a": 0.5}
	if d := cmp.Diff(want, got.Config); d != "" {
		t.Error(d)
	}
	wantSet := map[string]string{"receiver.listen": "c.yaml:1:20", "http.listen": "APPLIANCE_HTTP_LISTEN", "log.level": "--log-level", "receiver.tenants": "APPLIANCE_RECEIVER_TENANTS", "sampler.services": "c.yaml:5:13"}
	if d := cmp.Diff(wantSet, got.Set); d != "" {
		t.Error(d)
	}
}

func TestErrorsOfVariablesAndFlagsNameThem(t *testing.T) {
	_, err := load(t, "", map[string]string{"APPLIANCE_SPOOL_MAX_BYTES": "lots"}, nil)
	if err == nil || err.Error() != `APPLIANCE_SPOOL_MAX_BYTES: "lots" is not a size; write it like 16MiB` {
		t.Errorf("got %v", err)
	}
	_, err = load(t, "", nil, map[string]string{"log-level": "loud"})
	if err == nil || err.Error() != `--log-level: "loud" is none of debug, info, warn, error` {
		t.Errorf("got %v", err)
	}
}

func TestVariablesAreExpanded(t *testing.T) {
	got, err := load(t, "data_dir: ${HOME_OF_DATA}/x\nsampler: {probability: '${P:-0.25}'}\nlog: {level: ${L:-debug}}\nnomad: {lock: 'a$${b}'}\n# ${IN_A_COMMENT}\n", map[string]string{"HOME_OF_DATA": "/srv"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.DataDir != "/srv/x" || got.Sampler.Probability != 0.25 || got.Log.Level != "debug" || got.Nomad.Lock != "a${b}" {
		t.Errorf("got %+v", got.Config)
	}
}

func TestEmptyVariableIsSet(t *testing.T) {
	got, err := load(t, "archive: {store: 'x${E}', source: '${E}'}\nlog: {level: '${E:-debug}'}\ndata_dir: ./a${E:-}b\n", map[string]string{"E": ""}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Archive.Store != "x" || got.Archive.Source != "" || got.Set["archive.source"] == "" || got.Log.Level != "debug" || got.DataDir != "./ab" {
		t.Errorf("got %+v", got.Config)
	}
}

func TestBareGroupAndBareKeyChangeNothing(t *testing.T) {
	got, err := load(t, "receiver:\nhttp:\n  listen:\n", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Default(), got.Config); d != "" {
		t.Error(d)
	}
}

// A variable of a key that is gone is an error too: who set it relies on it.
func TestVariableOfBeforeIsAnError(t *testing.T) {
	_, err := load(t, "", map[string]string{"APPLIANCE_TEMPO_RETENTION": "1h"}, nil)
	if want := "APPLIANCE_TEMPO_RETENTION: tempo.retention is called retention now"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// A file that would cost the parser gigabytes is refused before it is parsed.
func TestHostileFilesAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"brackets":       {strings.Repeat("[", 200_000), "c.yaml:1:1: too many brackets"},
		"in many lines":  {"receiver:\n" + strings.Repeat("{a:\n", 20_000), "c.yaml:102:1: too many brackets"},
		"closed before":  {"]" + strings.Repeat("]", 1000) + "\n" + strings.Repeat("[", 200), "c.yaml:2:1: too many brackets"},
		"dashes":         {"a:\n" + strings.Repeat("- ", 100_000), "c.yaml:2:1: too many brackets are open, or there are too many dashes"},
		"megabytes":      {strings.Repeat("[", 4<<20), "c.yaml: read configuration: more than 262144 bytes are not one"},
		"behind a mark":  {"\ufeff" + strings.Repeat("[", 1000), "c.yaml:1:1: too many brackets"},
		"in a comment":   {"# " + strings.Repeat("[", 1000) + "\ndata_dir: /x\n", ""},
		"up to the most": {"# " + strings.Repeat("[", maxFile-3) + "\n", ""},
	} {
		_, err := load(t, c.text, nil, nil)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestMissingFileSaysWhatToDo(t *testing.T) {
	_, err := Load(Sources{File: filepath.Join("no", "such.yaml")})
	if err == nil || !strings.Contains(err.Error(), "no such file; name the configuration with --config") {
		t.Errorf("got %v", err)
	}
}

// What is printed is a configuration that loads to the same values.
func TestPrintedConfigurationLoadsBack(t *testing.T) {
	c := Default()
	c.DataDir = "/srv/a b: #c"
	c.Receiver.Tenants = []string{"a", "true", "1"}
	c.Sampler.Services = map[string]float64{"shop: x": 0.5, "y": 1e-9}
	c.Retention = 36*time.Hour + 30*time.Minute
	c.Receiver.MaxBodyBytes = 1<<20 + 1
	c.Nomad.Lock = "${x}"
	c.Nomad.Namespace = "-"
	c.Metrics.RemoteWrite.Labels = map[string]string{"site": "a: b, c=d", "job": ""}
	l := Loaded{Config: c}
	for name, printer := range map[string]func(*bytes.Buffer) error{
		"all":  func(b *bytes.Buffer) error { return l.Print(b) },
		"diff": func(b *bytes.Buffer) error { return l.PrintDiff(b) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := printer(&out); err != nil {
				t.Fatal(err)
			}
			got, err := load(t, out.String(), nil, nil)
			if err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			if name == "all" && got.Receiver.Tenants != nil && len(got.Receiver.Tenants) == 0 {
				got.Receiver.Tenants = nil
			}
			if d := cmp.Diff(c, got.Config); d != "" {
				t.Errorf("%s\n%s", d, out.String())
			}
		})
	}
}

func TestPrintHidesCredentials(t *testing.T) {
	c := Default()
	c.Forwarder.TempoURL = "http://u:geheim@h:4318"
	c.Archive.Store = "s3://b/p?secret_key=geheim&endpoint=e"
	c.Metrics.RemoteWrite.URL = "http://u:geheim@h/"
	c.Metrics.RemoteWrite.Headers = map[string]string{"X-Key": "geheim"}
	l, out := Loaded{Config: c}, bytes.Buffer{}
	if err := l.Print(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "geheim") || !strings.Contains(out.String(), "endpoint=e") {
		t.Error(out.String())
	}
}

func TestMisspelledVariablesAreNamed(t *testing.T) {
	mistakes, others := Misspelled([]string{
		"APPLIANCE_RECEIVER_LISTEN=:1", "APPLIANCE_RECIEVER_LISTEN=:1", "APPLIANCE_CONFIG=x",
		"APPLIANCE_TEMPO_RETENTION=1h", "APPLIANCE_QQQQQQQQQ=1", "APPLIANCE_EMPTY=", "PATH=/bin",
		"APPLIANCE_BIN=/bin/appliance", "APPLIANCE_SPOOL_QQQQQQQQQ=1",
	})
	var got []string
	for _, mistake := range slices.Concat(mistakes, []*Error{nil}, others) {
		if mistake == nil {
			got = append(got, "")
			continue
		}
		got = append(got, mistake.Error())
	}
	want := []string{
		"APPLIANCE_RECIEVER_LISTEN: stands for no key; did you mean APPLIANCE_RECEIVER_LISTEN?",
		"APPLIANCE_SPOOL_QQQQQQQQQ: stands for no key; appliance config print --defaults shows the keys",
		"",
		"APPLIANCE_QQQQQQQQQ: stands for no key; appliance config print --defaults shows the keys",
		"APPLIANCE_BIN: stands for no key; appliance config print --defaults shows the keys",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Who reads what is in force looks for what was written.
func TestSizesArePrintedAsTheyWereWritten(t *testing.T) {
	for _, size := range []string{"1GiB", "1.5GiB", "2000MB", "2GB", "1024MiB", "2147483648"} {
		for name, get := range map[string]func() (Loaded, error){
			"file":     func() (Loaded, error) { return load(t, "spool: {max_bytes: "+size+"}\n", nil, nil) },
			"variable": func() (Loaded, error) { return load(t, "", map[string]string{"APPLIANCE_SPOOL_MAX_BYTES": size}, nil) },
		} {
			l, err := get()
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := l.Print(&out); err != nil {
				t.Fatal(err)
			}
			if line := "  max_bytes: " + size + "\n"; !strings.Contains(out.String(), line) {
				t.Errorf("%s: no line %q in\n%s", name, line, out.String())
			}
		}
	}
}

func TestEveryKeyIsDocumentedAndNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Keys() {
		if k.Doc == "" || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s: doc %q is no sentence", k.Path, k.Doc)
		}
		for _, name := range []string{k.Path, k.Env, "--" + k.Flag} {
			if seen[name] && name != "--" {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
	}
	if !seen["APPLIANCE_RECEIVER_LISTEN"] || !seen["receiver.tls.client_ca_file"] {
		t.Error("the names of the design are missing")
	}
}

func TestChangedSeesWhatIsHiddenWhenPrinted(t *testing.T) {
	a, b := Default(), Default()
	if got := Changed(&a, &b); got != nil {
		t.Errorf("equal ones differ in %v", got)
	}
	a.Forwarder.TempoURL, b.Forwarder.TempoURL = "http://u:old@h", "http://u:new@h"
	b.Receiver.Tenants = []string{}
	b.Sampler.Services = map[string]float64{"a": 1}
	b.Spool.MaxBytes++
	a.Metrics.RemoteWrite.Headers, b.Metrics.RemoteWrite.Headers = map[string]string{"a": "old"}, map[string]string{"a": "new"}
	if d := cmp.Diff([]string{"sampler.services", "spool.max_bytes", "forwarder.tempo_url", "metrics.remote_write.headers"}, Changed(&a, &b)); d != "" {
		t.Error(d)
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"http://ada:lovelace@tempo:4318":                     "http://ada:xxxxx@tempo:4318",
		"s3://b/p?endpoint=http://ada:lovelace@h:1&region=x": "s3://b/p?endpoint=http%3A%2F%2Fada%3Axxxxx%40h%3A1&region=x",
		"s3://b?secret_key=lovelace":                         "s3://b?secret_key=xxxxx",
		"s3://b?endpoint=http://h:1":                         "s3://b?endpoint=http://h:1",
		"":                                                   "",
		"http://ada:love%lace@h":                             "(not a URL)",
	} {
		if got := Redact(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
