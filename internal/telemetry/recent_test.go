package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestRecent(t *testing.T) {
	var out bytes.Buffer
	logger, _ := NewLogger(&out, "info", "json")
	r := NewRecent(1000)
	logger = r.Into(logger, "info").With("task", "a")
	for i := range 100 {
		logger.Info("line", "n", i, "err", errors.New("x"))
		logger.Debug("not this")
	}
	text := string(r.Text())
	if n := len(text); n > 1000 || n < 800 {
		t.Errorf("%d bytes are kept", n)
	}
	if !strings.HasSuffix(out.String(), text) || !strings.Contains(text, `"n":99`) || strings.Contains(text, `"n":0,`) || strings.Contains(text, "not this") {
		t.Errorf("kept is\n%s", text)
	}
	if n := strings.Count(out.String(), "\n"); n != 100 {
		t.Errorf("%d lines came through", n)
	}
	fmt.Fprint(r, strings.Repeat("x", 2000)) // longer than all
	if n := len(r.Text()); n != 0 {
		t.Errorf("%d bytes of a line that is too long", n)
	}
}
