package store_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"appliance/archive/store"
)

// BenchmarkPutAgainstCp puts 1 GiB in 100 files and does the same with cp and
// sha256sum, in turn. The metric "speed/cp" is how many times as fast Put is; Put
// syncs every file and its name, "speed/cp+sync" is against cp followed by sync.
func BenchmarkPutAgainstCp(b *testing.B) {
	const files, size = 100, 1 << 30 / 100
	dir := b.TempDir()
	sources := filepath.Join(dir, "sources")
	if err := os.Mkdir(sources, 0o755); err != nil {
		b.Fatal(err)
	}
	for i := range files {
		if err := os.WriteFile(filepath.Join(sources, fmt.Sprint(i)), random(size+i), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	run(b, "sync")
	var ours, cp, synced time.Duration
	for b.Loop() {
		ours += timed(b, func() { putAll(b, sources, filepath.Join(dir, "store")) })
		copied := filepath.Join(dir, "copied")
		unsynced := timed(b, func() {
			run(b, "cp -r "+sources+" "+copied+" && sha256sum "+copied+"/* >/dev/null")
		})
		cp += unsynced
		synced += unsynced + timed(b, func() { run(b, "sync") })
		for _, done := range []string{"store", "copied"} {
			if err := os.RemoveAll(filepath.Join(dir, done)); err != nil {
				b.Fatal(err)
			}
		}
		run(b, "sync")
	}
	b.SetBytes(files * size)
	b.ReportMetric(cp.Seconds()/ours.Seconds(), "speed/cp")
	b.ReportMetric(synced.Seconds()/ours.Seconds(), "speed/cp+sync")
	b.ReportMetric(ours.Seconds()/float64(b.N), "s/put")
}

func putAll(b *testing.B, sources, dir string) {
	s, err := store.Open(b.Context(), dir, store.Options{Create: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	entries, err := os.ReadDir(sources)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range entries {
		f, err := os.Open(filepath.Join(sources, e.Name()))
		if err != nil {
			b.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Put(b.Context(), "tenant/block-"+e.Name()+"/data.parquet", f, info.Size()); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

func timed(b *testing.B, do func()) time.Duration {
	b.Helper()
	start := time.Now()
	do()
	return time.Since(start)
}

func run(b *testing.B, script string) {
	b.Helper()
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		b.Fatalf("%s: %v: %s", script, err, out)
	}
}
