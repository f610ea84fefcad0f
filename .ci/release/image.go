package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// The user of the image, by number: there is no /etc/passwd in it.
const imageUser = 10001

// writeImage makes an archive that `docker load` takes: the binary and an empty data directory, on
// nothing. No engine has a part in it.
func (r *release) writeImage(binary, arch, file string) error {
	tag, err := name.NewTag(r.image)
	if err != nil {
		return fmt.Errorf("-image: %w", err)
	}
	layer, err := r.layer(binary)
	if err != nil {
		return err
	}
	image, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: v1.Time{Time: r.time}, CreatedBy: "make release"},
	})
	if err != nil {
		return err
	}
	conf, err := image.ConfigFile()
	if err != nil {
		return err
	}
	conf = conf.DeepCopy()
	conf.Created, conf.OS, conf.Architecture = v1.Time{Time: r.time}, "linux", arch
	conf.Config = r.imageConfig()
	if image, err = mutate.ConfigFile(image, conf); err != nil {
		return err
	}
	return tarball.WriteToFile(file, tag, image)
}

// imageConfig is how a container of the image runs.
func (r *release) imageConfig() v1.Config {
	return v1.Config{
		User:       fmt.Sprintf("%d:%d", imageUser, imageUser),
		Env:        []string{"APPLIANCE_DATA_DIR=/data"},
		Entrypoint: []string{"/appliance"},
		Cmd:        []string{"serve"},
		Volumes:    map[string]struct{}{"/data": {}},
		// OTLP/gRPC in, OTLP/HTTP in; Tempo's read API, /ready and /metrics.
		ExposedPorts: map[string]struct{}{"4317/tcp": {}, "4318/tcp": {}, "3200/tcp": {}},
		Healthcheck: &v1.HealthConfig{
			Test:     []string{"CMD", "/appliance", "health"},
			Interval: 10 * time.Second, Timeout: 5 * time.Second, StartPeriod: 30 * time.Second,
		},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "appliance",
			"org.opencontainers.image.licenses": "AGPL-3.0-only",
			"org.opencontainers.image.version":  r.version,
			"org.opencontainers.image.revision": r.revision,
		},
	}
}

// layer has the image's files.
func (r *release) layer(binary string) (v1.Layer, error) {
	content, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeReg, Name: "appliance", Mode: 0o755, Size: int64(len(content))},
		{Typeflag: tar.TypeDir, Name: "data/", Mode: 0o755, Uid: imageUser, Gid: imageUser},
	} {
		h.ModTime, h.Format = r.time, tar.FormatPAX
		if err := w.WriteHeader(&h); err != nil {
			return nil, err
		}
		if h.Size == 0 {
			continue
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
}
