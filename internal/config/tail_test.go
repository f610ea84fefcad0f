package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func loadText(t *testing.T, text string, env map[string]string) (Loaded, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(Sources{File: path, Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
}

var someTailRules = []TailRule{
	{Name: "errors", When: "{ status = error }", Keep: 1},
	{Name: "slow", When: "{ traceDuration > 2s }", Keep: 1},
	{Name: "health", When: `{ name = "GET /ping" }`},
	{Name: "busy", When: `{ resource.service.name =~ "a.*" }`, SpansPerSecond: 100, Per: []string{"resource.service.name"}},
	{Name: "rest", Keep: 0.05},
}

func TestTailRules(t *testing.T) {
	l, err := loadText(t, `
tail:
  decision_wait: 20s
  rules:
    - {name: errors, when: '{ status = error }', keep: all}
    - {name: slow,   when: '{ traceDuration > ${SLOW:-2s} }', keep: all}
    - {name: health, when: '{ name = "GET /ping" }', keep: none}
    - name: busy
      when: '{ resource.service.name =~ "a.*" }'
      keep: {spans_per_second: 100}
      per: [resource.service.name]
    - {name: rest,   keep: 0.05}
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(l.Tail.Rules, someTailRules) || l.Tail.DecisionWait != 20*time.Second || l.Tail.Remember != 10*time.Minute {
		t.Errorf("read %+v", l.Tail)
	}
	// What is printed is read again, also from a variable.
	var out strings.Builder
	if err := l.PrintDiff(&out); err != nil {
		t.Fatal(err)
	}
	again, err := loadText(t, out.String(), nil)
	if err != nil || !reflect.DeepEqual(again.Tail, l.Tail) {
		t.Errorf("%s\nis read as %+v, %v", out.String(), again.Tail, err)
	}
	again, err = loadText(t, "", map[string]string{"APPLIANCE_TAIL_RULES": tailRulesText(someTailRules)})
	if err != nil || !reflect.DeepEqual(again.Tail.Rules, someTailRules) {
		t.Errorf("read from a variable as %+v, %v", again.Tail, err)
	}
}

func TestTailRulesThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"rules: all":                                      "list of rules",
		"rules: [a]":                                      "is a rule",
		"rules: [{name: a}]":                              "no keep",
		"rules: [{name: a, keep: 2}]":                     "from 0 to 1",
		"rules: [{name: a, keep: some}]":                  "from 0 to 1",
		"rules: [{name: a, keep: {x: 1}}]":                "spans_per_second",
		"rules: [{name: a, keep: {spans_per_second: 0}}]": "above 0",
		"rules: [{name: a, keep: all, per: b}]":           "list of attributes",
		"rules: [{name: a, keep: all, if: b}]":            "unknown key if",
		"decision_wait: 0s":                               "not between",
		"remember: -1s":                                   "not between",
	} {
		_, err := loadText(t, "tail:\n  "+text+"\n", nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "a.yaml:2:") {
			t.Errorf("%s: %v, want %q and its line", text, err, want)
		}
	}
	if _, err := loadText(t, "", map[string]string{"APPLIANCE_TAIL_RULES": "[{name"}); err == nil {
		t.Error("half a rule is taken from a variable")
	}
}
