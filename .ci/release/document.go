package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// document writes man pages and completions into dir. The pages come from a test of the commands,
// since it takes the commands' code to print them.
func (r *release) document(dir, binary string) error {
	man := filepath.Join(dir, "man")
	if err := os.Mkdir(man, 0o755); err != nil {
		return err
	}
	c := exec.Command("go", "test", "-trimpath", "-count=1", "-run", "^TestManPages$", "./cmd/appliance")
	c.Dir = r.root
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "MAN_DIR="+man,
		fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.time.Unix()), "MAN_VERSION="+r.version)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("write the man pages: %w\n%s", err, out)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		c := exec.Command(binary, "completion", shell)
		c.Env = []string{}
		script, err := c.Output()
		if err != nil {
			return fmt.Errorf("print the completion for %s: %w", shell, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "completion."+shell), script, 0o644); err != nil {
			return err
		}
	}
	return nil
}
