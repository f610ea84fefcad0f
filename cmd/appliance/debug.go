package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"appliance/cmd/appliance/serve"
	"appliance/cmd/appliance/status"
)

// maxCollected is how many bytes an answer may have that is collected.
const maxCollected = 64 << 20

// collector writes what is known into an archive, file by file. What cannot be
// had is a file that says why.
type collector struct {
	tar *tar.Writer
	dir string
	now time.Time
	err error // the first one of writing
}

func (c *collector) add(name string, text []byte) {
	if c.err != nil {
		return
	}
	c.err = c.tar.WriteHeader(&tar.Header{Name: c.dir + "/" + name, Mode: 0o644, Size: int64(len(text)), ModTime: c.now})
	if c.err == nil {
		_, c.err = c.tar.Write(text)
	}
}

func newDebugCommand() *cobra.Command {
	var reach clientFlags
	var file string
	c := &cobra.Command{
		Use:   "debug",
		Short: "Collect the state of an appliance, without secrets, into a tar.gz to send to somebody who helps",
		Long: `Collect into one tar.gz: the versions, the configuration as it is in force and what of it was set where, the status as
JSON and as text, the metrics, the goroutines, the last lines of the log, what the doctor says (no trace is sent), the
names and sizes of the files in data_dir, and the names of the variables that are set.

Passwords in URLs are hidden, and secrets in files are not read. No span is in it; the log and the configuration may
name hosts, paths, tenants and services. Look at it before you send it.`,
		Example: `  appliance debug
  appliance debug -o - | ssh helper 'cat > appliance-debug.tar.gz'`,
		Args: cobra.NoArgs,
	}
	reach.add(c)
	c.Flags().StringVarP(&file, "output", "o", "", "file to write; - is standard output (default: appliance-debug-TIME.tar.gz here)")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), doctorLimit)
		defer cancel()
		d := &doctor{local: reach.url == ""}
		if err := d.begin(cmd, &reach); err != nil {
			return err
		}
		now := time.Now().UTC()
		if file == "-" {
			return d.collect(ctx, cmd.OutOrStdout(), now)
		}
		if file == "" {
			file = "appliance-debug-" + now.Format("20060102T150405Z") + ".tar.gz"
		}
		f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("write what is collected: %w; name another file with -o", err)
		}
		if err := errors.Join(d.collect(ctx, f, now), f.Close()); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), file)
		return nil
	}
	return addConfigFlags(c, allKeys()...)
}

// collect writes all of it.
func (d *doctor) collect(ctx context.Context, w io.Writer, now time.Time) error {
	z := gzip.NewWriter(w)
	c := &collector{tar: tar.NewWriter(z), dir: "appliance-debug-" + now.Format("20060102T150405Z"), now: now}
	c.json("versions.json", map[string]any{"appliance": currentVersions(), "system": runtime.GOOS + "/" + runtime.GOARCH, "processors": runtime.NumCPU(), "collected": now})
	if d.local {
		var text bytes.Buffer
		if err := d.conf.Print(&text); err != nil {
			return err
		}
		c.add("config.yaml", text.Bytes())
		c.json("config-set.json", d.conf.Set)
		c.add("data-dir.txt", filesIn(d.conf.DataDir))
	}
	c.add("variables.txt", namesOf(os.Environ()))
	for _, f := range []struct{ name, path string }{
		{"status.json", status.Path}, {"metrics.txt", "/metrics"}, {"goroutines.txt", serve.GoroutinesPath}, {"log.jsonl", serve.LogPath},
		{"buildinfo.json", "/api/status/buildinfo"}, {"ready.txt", "/ready"},
	} {
		c.add(f.name, d.from.collected(ctx, f.path))
	}
	d.look(ctx, nil)
	if d.status != nil {
		c.add("status.txt", []byte(status.Text(*d.status, nil)))
	}
	var text bytes.Buffer
	for _, f := range d.findings {
		f.write(&text)
	}
	c.add("doctor.txt", text.Bytes())
	return errors.Join(c.err, c.tar.Close(), z.Close())
}

func (c *collector) json(name string, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		text = []byte(err.Error())
	}
	c.add(name, append(text, '\n'))
}

// collected is an answer, or why there is none.
func (c *asker) collected(ctx context.Context, path string) []byte {
	a, err := c.get(ctx, path, maxCollected)
	if err != nil {
		return []byte("not known: " + err.Error() + "\n")
	}
	if err := a.trouble(); err != nil {
		return []byte("not known: " + err.Error() + "\n")
	}
	return a.body
}

// namesOf are the names of variables that matter, without their values.
func namesOf(environ []string) []byte {
	var names []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		for _, prefix := range []string{"APPLIANCE_", "NOMAD_", "OTEL_", "JAEGER_", "AWS_", "GO"} {
			if strings.HasPrefix(name, prefix) {
				names = append(names, name)
				break
			}
		}
	}
	slices.Sort(names)
	return []byte(strings.Join(names, "\n") + "\n")
}

// filesIn lists the files below a directory with their sizes.
func filesIn(dir string) []byte {
	const most = 10_000
	var b bytes.Buffer
	n := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			fmt.Fprintf(&b, "%12s  %s: %v\n", "?", path, err)
			return nil
		}
		if n++; n > most {
			fmt.Fprintf(&b, "and more\n")
			return fs.SkipAll
		}
		size := "dir"
		if info, err := e.Info(); err == nil && !e.IsDir() {
			size = fmt.Sprint(info.Size())
		}
		fmt.Fprintf(&b, "%12s  %s\n", size, path)
		return nil
	})
	if err != nil {
		fmt.Fprintf(&b, "not known: %v\n", err)
	}
	return b.Bytes()
}
