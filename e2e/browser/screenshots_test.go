package browser

import (
	"os"
	"path/filepath"
	"testing"

	"appliance/e2e/internal/harness"
)

// screenshots makes the pictures of the documentation, where SCREENSHOTS names
// a directory for them.
func screenshots(t *testing.T, c *chromium, _ *harness.Appliance) {
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	for _, p := range []struct {
		name, path string
		look       args
	}{
		{"search", "/", args{"height": 800}},
		{"trace", "/trace/" + checkoutID(0), args{"height": 1000}},
		{"services", "/services", args{"height": 800}},
		{"status", "/status", args{"height": 800, "dark": true}},
	} {
		c.do("look", p.look)
		c.visit(p.path)
		file := filepath.Join(dir, p.name+".png")
		c.do("screenshot", args{"path": file})
		info, err := os.Stat(file)
		must(t, err)
		if info.Size() == 0 || info.Size() > 200<<10 {
			t.Errorf("%s has %d bytes", file, info.Size())
		}
	}
	c.do("look", nil)
}
