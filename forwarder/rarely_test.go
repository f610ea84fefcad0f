package forwarder

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What is tried again each second, and fails each time, is said once a minute;
// another message is not held back by it.
func TestTroubleIsSaidOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f := New(Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
		f.reread = time.Second
		for range 150 {
			(&delivery{f: f, shipment: &shipment{}}).refusedAll(&refusedError{reason: "wrong version"}, false)
			if !f.readFailed(t.Context(), errors.New("bad sector")) { // which takes a second
				t.Fatal("gave up")
			}
		}
		for _, what := range []string{"wrong version", "bad sector"} {
			if n := strings.Count(out.String(), what); n != 3 {
				t.Errorf("%q is said %d times in 150 s, want 3", what, n)
			}
		}
	})
}
