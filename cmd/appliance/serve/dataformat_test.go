package serve

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"appliance/internal/durable"
)

// Whoever goes back to a version that does not know what is there is told so,
// and nothing is changed.
func TestLaterFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, dataFormatName)
	later := []byte(`{"format":2,"version":"0.9.1","more":[]}`)
	if err := os.WriteFile(file, later, 0o600); err != nil {
		t.Fatal(err)
	}
	err := markFormat(durable.OS, dir, "0.2.0", slog.New(slog.DiscardHandler))
	want := "data_dir " + dir + " was written by appliance 0.9.1 in format 2, and this one, 0.2.0, knows format 1 at most; " +
		"start version 0.9.1 or a later one, or set another data_dir"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, later) {
		t.Errorf("the note was changed: %s, %v", now, err)
	}
}

func TestFormatIsNoted(t *testing.T) {
	for _, c := range []struct{ name, before, logged string }{
		{"of 0.1, which has no note", "", ""},
		{"of the same format", `{"format":1,"version":"0.2.7"}`, ""},
		{"damaged", "\x00\x00", "writing it again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, dataFormatName)
			if c.before != "" {
				if err := os.WriteFile(file, []byte(c.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var log bytes.Buffer
			if err := markFormat(durable.OS, dir, "0.2.0", slog.New(slog.NewTextHandler(&log, nil))); err != nil {
				t.Fatal(err)
			}
			if now, err := os.ReadFile(file); err != nil || string(now) != `{"format":1,"version":"0.2.0"}`+"\n" {
				t.Errorf("noted %s, %v", now, err)
			}
			if !strings.Contains(log.String(), c.logged) || (c.logged == "") != (log.Len() == 0) {
				t.Errorf("logged %q", log.String())
			}
		})
	}
}
