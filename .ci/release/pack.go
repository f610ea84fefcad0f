package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

const description = `Distributed tracing you can trust, in one binary
Takes traces over OTLP, samples them consistently, keeps on disk what it
acknowledged, stores it in blocks that any Grafana Tempo reads, archives each
block before it is deleted, and answers Grafana as a Tempo does.`

// pack writes the deb and the rpm of an architecture.
func (r *release) pack(arch, extras string) error {
	contents, err := r.contents(arch, extras)
	if err != nil {
		return err
	}
	script := func(name string) string { return filepath.Join(r.root, "deploy/package", name) }
	for _, format := range []struct {
		name     string
		packager nfpm.Packager
		parts    nfpm.Overridables
	}{
		{"deb", deb.Default, nfpm.Overridables{
			Depends: []string{"passwd", "init-system-helpers"},
			Scripts: nfpm.Scripts{
				PostInstall: script("deb/postinst"), PreRemove: script("deb/prerm"), PostRemove: script("deb/postrm"),
			},
			Deb: nfpm.Deb{Compression: "gzip"},
		}},
		{"rpm", rpm.DefaultRPM, nfpm.Overridables{
			Depends: []string{"/usr/sbin/useradd"},
			Scripts: nfpm.Scripts{
				PreInstall: script("rpm/preinstall"), PostInstall: script("rpm/postinstall"),
				PreRemove: script("rpm/preremove"), PostRemove: script("rpm/postremove"),
			},
			RPM: nfpm.RPM{
				Compression: "gzip", BuildHost: "localhost", Summary: strings.Split(description, "\n")[0],
				Packager: "the authors of appliance",
			},
		}},
	} {
		format.parts.Contents = contents
		if err := r.packAs(arch, format.name, format.packager, format.parts); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) packAs(arch, format string, packager nfpm.Packager, parts nfpm.Overridables) error {
	info := nfpm.WithDefaults(&nfpm.Info{
		Overridables: parts,
		Name:         "appliance", Arch: arch, Platform: "linux", Version: r.version,
		Section: "net", Priority: "optional", Maintainer: "the authors of appliance <appliance@localhost>",
		Description: description, License: "AGPL-3.0-only", MTime: r.time, DisableGlobbing: true,
	})
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	var b bytes.Buffer
	name := packager.ConventionalFileName(info)
	if err := packager.Package(info, &b); err != nil {
		return fmt.Errorf("make %s: %w", name, err)
	}
	return os.WriteFile(filepath.Join(r.out, name), b.Bytes(), 0o644)
}

// contents are the files of both packages. No mode and no time is that of the checkout.
func (r *release) contents(arch, extras string) (files.Contents, error) {
	var all files.Contents
	add := func(kind, source, destination string, mode fs.FileMode) {
		all = append(all, &files.Content{
			Source: source, Destination: destination, Type: kind,
			FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.time},
		})
	}
	file := func(source, destination string) { add(files.TypeFile, source, destination, 0o644) }
	ours := func(name string) string { return filepath.Join(r.root, name) }

	add(files.TypeFile, r.binary("linux/"+arch), "/usr/bin/appliance", 0o755)
	add(files.TypeDir, "", "/etc/appliance", 0o755)
	add(files.TypeConfigNoReplace, ours("deploy/package/appliance.yaml"), "/etc/appliance/appliance.yaml", 0o644)
	file(ours("deploy/systemd/appliance.service"), "/usr/lib/systemd/system/appliance.service")
	const doc = "/usr/share/doc/appliance/"
	file(ours("deploy/package/copyright"), doc+"copyright")
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		file(ours(name), doc+name)
	}
	pages, err := filepath.Glob(ours("docs/*.md"))
	if err != nil {
		return nil, err
	}
	for _, page := range pages {
		file(page, doc+"docs/"+filepath.Base(page))
	}
	for shell, destination := range map[string]string{
		"bash": "/usr/share/bash-completion/completions/appliance",
		"zsh":  "/usr/share/zsh/vendor-completions/_appliance",
		"fish": "/usr/share/fish/vendor_completions.d/appliance.fish",
	} {
		file(filepath.Join(extras, "completion."+shell), destination)
	}
	manPages, err := filepath.Glob(filepath.Join(extras, "man", "*.1"))
	if err != nil {
		return nil, err
	}
	for _, page := range manPages {
		if err := compress(page); err != nil {
			return nil, err
		}
		file(page+".gz", "/usr/share/man/man1/"+filepath.Base(page)+".gz")
	}
	return all, nil
}

// compress writes file.gz, with neither name nor time in it.
func compress(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(file+".gz", b.Bytes(), 0o644)
}
