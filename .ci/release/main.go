// Command release makes what is published of one commit: a static binary for each platform, a deb
// and an rpm, an image archive, a list of components, and the checksums of them all.
//
//	go run . [flags] all                  everything, into -out
//	go run . [flags] image BINARY FILE    an image archive of a binary for this architecture
//
// What it writes depends on the commit, the version and the Go that builds it alone: every time in
// it is that of the commit, or SOURCE_DATE_EPOCH.
package main

import (
	"debug/elf"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// release is what is made, and of what.
type release struct {
	root         string // of the checkout
	out          string
	version      string
	image        string // its name and tag
	ldflags      string
	linuxLdflags string // besides ldflags
	platforms    []string
	revision     string
	time         time.Time
}

func main() {
	var r release
	platforms := flag.String("platforms", "", "GOOS/GOARCH, separated by blanks")
	flag.StringVar(&r.root, "root", ".", "the checkout")
	flag.StringVar(&r.out, "out", "dist", "where everything goes; emptied first")
	flag.StringVar(&r.version, "version", "", "semantic version")
	flag.StringVar(&r.image, "image", "", "name and tag of the image")
	flag.StringVar(&r.ldflags, "ldflags", "", "of the Go linker")
	flag.StringVar(&r.linuxLdflags, "linux-ldflags", "", "the same, for Linux only")
	flag.Parse()
	r.platforms = strings.Fields(*platforms)
	if err := run(&r, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(r *release, args []string) (err error) {
	if r.revision, err = r.git("rev-parse", "HEAD"); err != nil {
		return err
	}
	if r.time, err = r.epoch(); err != nil {
		return err
	}
	switch {
	case len(args) == 1 && args[0] == "all":
		return r.all()
	case len(args) == 3 && args[0] == "image":
		return r.writeImage(args[1], runtime.GOARCH, args[2])
	}
	return errors.New("usage: release [flags] all | image BINARY FILE")
}

// epoch is the time that everything has.
func (r *release) epoch() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		var err error
		if text, err = r.git("log", "-1", "--format=%ct"); err != nil {
			return time.Time{}, err
		}
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q is not a number of seconds", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func (r *release) git(args ...string) (string, error) {
	out, err := exec.Command("git", append([]string{"-C", r.root}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (r *release) all() error {
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	host := runtime.GOOS + "/" + runtime.GOARCH
	if !slices.Contains(r.platforms, host) {
		return fmt.Errorf("%s, which is this machine, is not among the platforms: its binary prints the completions", host)
	}
	for _, platform := range r.platforms {
		if err := r.build(platform); err != nil {
			return err
		}
	}
	extras, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(extras)
	if err := r.document(extras, r.binary(host)); err != nil {
		return err
	}
	for _, platform := range r.platforms {
		if err := r.components(platform); err != nil {
			return err
		}
		if arch, ok := strings.CutPrefix(platform, "linux/"); ok {
			if err := r.pack(arch, extras); err != nil {
				return err
			}
			file := filepath.Join(r.out, fmt.Sprintf("appliance-%s-image-%s.tar", r.version, arch))
			if err := r.writeImage(r.binary(platform), arch, file); err != nil {
				return err
			}
		}
	}
	return r.checksums()
}

// binary is where that of a platform is.
func (r *release) binary(platform string) string {
	name := fmt.Sprintf("appliance-%s-%s", r.version, strings.ReplaceAll(platform, "/", "-"))
	return filepath.Join(r.out, name)
}

// build compiles without cgo, for the oldest processors of the architecture, whatever the
// environment asks for.
func (r *release) build(platform string) error {
	system, arch, _ := strings.Cut(platform, "/")
	ldflags := r.ldflags
	if system == "linux" {
		ldflags += " " + r.linuxLdflags
	}
	out, err := filepath.Abs(r.binary(platform))
	if err != nil {
		return err
	}
	c := exec.Command("go", "build", "-trimpath", "-ldflags", ldflags, "-o", out, "./cmd/appliance")
	c.Dir = r.root
	c.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+arch,
		"CGO_ENABLED=0", "GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=")
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("build for %s: %w", platform, err)
	}
	if system != "linux" {
		return nil
	}
	return checkStatic(out)
}

// checkStatic refuses a binary that needs a loader or a library of the machine it runs on.
func checkStatic(binary string) error {
	f, err := elf.Open(binary)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return fmt.Errorf("%s is not static: it has %v", binary, p.Type)
		}
		if p.Type == elf.PT_LOAD && (p.Vaddr-p.Off)%maxPage != 0 {
			return fmt.Errorf("%s: the segment at %#x cannot be mapped with pages of %d bytes", binary, p.Vaddr, maxPage)
		}
	}
	return nil
}

// maxPage is the largest page of a Linux on arm64. Segments of other architectures are held to it
// too.
const maxPage = 64 << 10
