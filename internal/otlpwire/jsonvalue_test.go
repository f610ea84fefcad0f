package otlpwire

import (
	"encoding/hex"
	"errors"
	"testing"
)

func TestValueFromJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                          "",
		` {"stringValue":"a\u00e9"} `: "0a0361c3a9",
		`{"intValue":"-1"}`:           "18ffffffffffffffffff01",
		`{"doubleValue":"Infinity"}`:  "21000000000000f07f",
		`{"bytesValue":"AQI="}`:       "3a020102",
		`{"arrayValue":{"values":[{},{"boolValue":true}]}}`:                 "2a060a000a021001",
		`{"kvlistValue":{"values":[{"key":"k","value":{"intValue":"1"}}]}}`: "32090a070a016b12021801",
	} {
		var l Limits
		got, err := l.ValueFromJSON([]byte("before"), []byte(text))
		if err != nil || hex.EncodeToString(got) != hex.EncodeToString([]byte("before"))+want {
			t.Errorf("%s: %x, %v", text, got, err)
		}
	}
	stored := jsonNested(100) // more than a request may have now
	var l Limits
	if _, err := l.ValueFromJSON(nil, []byte(stored)); err != nil {
		t.Error(err)
	}
	l.MaxDepth = 100
	if _, err := l.ValueFromJSON(nil, []byte(stored)); !errors.Is(err, ErrTooDeep) {
		t.Errorf("got %v", err)
	}
	for _, text := range []string{``, `null`, `[]`, `{`, `{} x`, `{"intValue":"x"}`, `{"stringValue":1}`, `{"bytesValue":"*"}`} {
		var l Limits
		if got, err := l.ValueFromJSON([]byte("before"), []byte(text)); err == nil || string(got) != "before" {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}
