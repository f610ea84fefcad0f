package tempo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"appliance/internal/config"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// The files of testdata are what people have: of several versions, with the habits
// of their guides. Beside each is what is made of it. UPDATE_GOLDEN=1 writes that.
func TestTranslate(t *testing.T) {
	files, err := filepath.Glob("testdata/from-tempo/*.yml")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yml")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			translation, err := Translate(filepath.Base(file), text)
			if err != nil {
				t.Fatal(err)
			}
			got := translation.YAML()
			golden := strings.TrimSuffix(file, ".yml") + ".out"
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Error(d)
			}
			checkLoads(t, got)
			checkEachSettingIsNamed(t, filepath.Base(file), text, string(got))
			if strings.Contains(string(got), "hush") {
				t.Error("a credential is shown")
			}
		})
	}
}

// checkLoads checks that the appliance takes what was made.
func checkLoads(t *testing.T, text []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "appliance.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{"TEMPO_PORT": "3200"}
	_, err := config.Load(config.Sources{File: file, Getenv: func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}})
	if err != nil {
		t.Error(err)
	}
}

// checkEachSettingIsNamed checks that nothing of a file is passed over.
func checkEachSettingIsNamed(t *testing.T, file string, text []byte, got string) {
	t.Helper()
	settings, err := readSettings(file, text)
	if err != nil {
		t.Fatal(err)
	}
	spoken := []string{
		"storage.trace.s3.",
		"storage.trace.local.path",
	} // of these the advice speaks
	for _, s := range settings {
		said := strings.Contains(got, oneLine(s.path)+":") ||
			strings.Contains(got, oneLine(s.path)+"\n")
		for _, prefix := range spoken {
			said = said || strings.HasPrefix(s.path, prefix)
		}
		if !said {
			t.Errorf("line %d: %s is not named", s.line, s.path)
		}
	}
}

// What cannot be read, is not Tempo's, or cannot be taken over is an error with its
// line, which the command answers with exit code 2.
func TestTranslateRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"not YAML":           {"server:\n  a: [1\n", "tempo.yml:2: not YAML: "},
		"a tab":              {"server:\n\tlog_level: info\n", "tempo.yml:2: not YAML: "},
		"no-break space":     {"server:\n\u00a0 log_level: info\n", "tempo.yml:2: not YAML: a space that is not one"},
		"a key twice":        {"server: {}\nserver: {}\n", "tempo.yml:2: not YAML: "},
		"a template":         {"server:\n  http_listen_port: {{ .Values.port }}\n", "it seems to be a template"},
		"a text":             {"hello\n", `tempo.yml:1: not a configuration of Tempo: it begins with "hello"`},
		"a list":             {"- server\n", "tempo.yml:1: not a configuration of Tempo"},
		"two documents":      {"server: {}\n---\nserver: {}\n", "tempo.yml:3: a second YAML document"},
		"another's":          {"schema_config: {}\nchunk_store_config: {a: 1}\n", "tempo.yml: not a configuration of Tempo: it has none of Tempo's groups"},
		"our own":            {"receiver: {listen: ':4318'}\n", "it looks like one of the appliance itself"},
		"deep groups":        {"server: " + strings.Repeat("{a: ", 1000), "tempo.yml:1: too many brackets are open"},
		"deep lists":         {"server:\n" + strings.Repeat("- ", 2000) + "a\n", "tempo.yml:2: too many"},
		"deep in many lines": {"server: " + strings.Repeat("[\n", 20_000), "tempo.yml:101: too many brackets are open"},
		"too long":           {"server: {}\n" + strings.Repeat("#", MaxConfig), "more than 262144 bytes"},
		"UTF-16":             {"\xff\xfes\x00", "begins with the byte order mark of UTF-16"},
		"no such anchor":     {"server: *here\n", "tempo.yml:1: there is no anchor &here"},
		"retention":          {"compactor:\n  compaction:\n    block_retention: soon\n", `tempo.yml:3: compactor.compaction.block_retention: "soon" is not a duration; write it like 24h`},
		"retention of 0":     {"compactor: {compaction: {block_retention: 0}}\n", "tempo.yml:1: compactor.compaction.block_retention: 0 has Tempo purge every block"},
		"negative retention": {"compactor: {compaction: {block_retention: -1h}}\n", "-1h0m0s is negative"},
		"a port":             {"server: {http_listen_port: http}\n", `":http" is not an address`},
		"an endpoint":        {"distributor: {receivers: {otlp: {protocols: {http: {endpoint: 4318}}}}}\n", `"4318" is not an address`},
		"a level":            {"server: {log_level: loud}\n", `"loud" is not a level`},
		"a format":           {"server: {log_format: xml}\n", `"xml" is not a format`},
		"a size":             {"distributor: {receivers: {otlp: {protocols: {http: {max_request_body_size: big}}}}}\n", `"big" is not a number of bytes`},
	} {
		_, err := Translate("tempo.yml", []byte(c.text))
		var placed *config.Error
		if err == nil || !errors.As(err, &placed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A CA that Tempo does not insist on would lock readers out here.
func TestClientsAreNotAskedForMoreThanByTempo(t *testing.T) {
	const tls = "server: {http_tls_config: {cert_file: /c, key_file: /k, client_ca_file: /ca, client_auth_type: %s}}\n"
	for _, auth := range []string{"NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"} {
		translation, err := Translate("tempo.yml", fmt.Appendf(nil, tls, auth))
		if err != nil {
			t.Fatal(err)
		}
		got := string(translation.YAML())
		taken := strings.Contains(got, `client_ca_file: "/ca"`)
		if taken != (auth == "RequireAndVerifyClientCert") || !strings.Contains(got, `cert_file: "/c"`) {
			t.Errorf("%s:\n%s", auth, got)
		}
	}
}

// All mistakes are named at once.
func TestTranslateNamesEveryMistake(t *testing.T) {
	_, err := Translate(
		"tempo.yml",
		[]byte("server: {log_level: loud}\ncompactor: {compaction: {block_retention: soon}}\n"),
	)
	for _, want := range []string{"tempo.yml:1: server.log_level", "tempo.yml:2: compactor.compaction.block_retention"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Whatever a file has, the result is YAML whose comments do not end early.
func FuzzTranslate(f *testing.F) {
	files, err := filepath.Glob("testdata/from-tempo/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("server: &a [*a]\n"))
	f.Add([]byte("server: &a {b: *a}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		translation, err := Translate("tempo.yml", text)
		if err != nil {
			return
		}
		got := translation.YAML()
		var keys map[string]any
		if err := yaml.Unmarshal(got, &keys); err != nil {
			t.Fatalf("%v\n%s", err, got)
		}
		for key := range keys {
			switch key {
			case "retention", "receiver", "http", "log":
			default:
				t.Fatalf("%q is not a key that is set\n%s", key, got)
			}
		}
	})
}
