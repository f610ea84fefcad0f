package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestListsInOneLine(t *testing.T) {
	for text, want := range map[string][]string{
		"a":      {"a"},
		" a ,b,": {"a", "b"},
		`drop span where name = "a, b", preset secrets`: {`drop span where name = "a, b"`, "preset secrets"},
		`drop span where name = "a\", b",c`:             {`drop span where name = "a\", b"`, "c"},
		// whoever reads the rules says what is wrong
		`drop span where name = "a, b`:                       {`drop span where name = "a, b`},
		`[preset secrets, 'drop span where name =~ a{1,3}']`: {"preset secrets", "drop span where name =~ a{1,3}"},
		` ["a, b", c]`: {"a, b", "c"},
		"- preset secrets\n- drop attribute x.* # never\n": {"preset secrets", "drop attribute x.*"},
		"[]":                    nil,
		`["${NOT_A_VARIABLE}"]`: {"${NOT_A_VARIABLE}"},
	} {
		l, err := load(t, "", map[string]string{"APPLIANCE_RECEIVER_RULES": text}, nil)
		if d := cmp.Diff(want, l.Receiver.Rules); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", text, err, d)
		}
	}
}

func TestMapsInOneLine(t *testing.T) {
	for text, want := range map[string]map[string]string{
		"a=b, c = d":              {"a": "b", "c": "d"},
		`a="b,c",d=e`:             {"a": `"b,c"`, "d": "e"},
		`{a: "b, c=d", "e f": g}`: {"a": "b, c=d", "e f": "g"},
		"{}":                      nil,
	} {
		l, err := load(t, "", map[string]string{"APPLIANCE_METRICS_REMOTE_WRITE_LABELS": text}, nil)
		if d := cmp.Diff(want, l.Metrics.RemoteWrite.Labels); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", text, err, d)
		}
	}
	l, err := load(t, "", map[string]string{"APPLIANCE_SAMPLER_SERVICES": "{shop: 0.5}"}, nil)
	if err != nil || l.Sampler.Services["shop"] != 0.5 {
		t.Errorf("%v, %v", l.Sampler.Services, err)
	}
}

// What config print shows of a list or a map is taken in a variable.
func TestPrintedValuesAreTakenInAVariable(t *testing.T) {
	c := Default()
	c.Receiver.Tenants = []string{"a", "b"}
	c.Receiver.Rules = []string{"preset secrets", `drop span where name = "a, b"`, "- x", `cut "`}
	c.Sampler.Services = map[string]float64{"a, b": 0.5, "c=d": 1}
	c.Tail.Rules = someTailRules
	c.Metrics.RemoteWrite.Labels = map[string]string{"site": "a, b=c"}
	env := map[string]string{}
	for _, k := range Keys() {
		switch k.Type {
		case "list", "map", tailRulesType:
			if !k.Secret {
				env[k.Env] = k.Text(&c)
			}
		}
	}
	l, err := load(t, "", env, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c, l.Config); d != "" {
		t.Error(d)
	}
}

func TestMistakesInOneLine(t *testing.T) {
	for _, c := range []struct{ env, text, want string }{
		{"APPLIANCE_RECEIVER_RULES", "[a, b", "APPLIANCE_RECEIVER_RULES: sequence end token ']' not found"},
		{"APPLIANCE_RECEIVER_RULES", "[[a]]", "APPLIANCE_RECEIVER_RULES: text:1:2: each entry of receiver.rules is a single value, and this is not"},
		{"APPLIANCE_SAMPLER_SERVICES", "{a: much}", `APPLIANCE_SAMPLER_SERVICES: text:1:5: sampler.services.a: "much" is not a number`},
		{"APPLIANCE_SAMPLER_SERVICES", "[a]", `APPLIANCE_SAMPLER_SERVICES: "[a]" is not of the form name=value,name=value`},
		{"APPLIANCE_METRICS_REMOTE_WRITE_HEADERS", "geheim", "APPLIANCE_METRICS_REMOTE_WRITE_HEADERS: is not of the form name=value,name=value"},
		{"APPLIANCE_TAIL_RULES", "# none", `APPLIANCE_TAIL_RULES: `},
	} {
		_, err := load(t, "", map[string]string{c.env: c.text}, nil)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s=%s: %v, want %s", c.env, c.text, err, c.want)
		}
	}
}
