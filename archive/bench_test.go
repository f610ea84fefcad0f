package archive

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"appliance/archive/store"
)

// BenchmarkCopy copies a block of 64 MiB (of an encoding that is not read, so
// that only copying counts), beside what cp and sha256sum and sync take for the
// same files. The bound is 80 % of their speed.
func BenchmarkCopy(b *testing.B) {
	const size = 64 << 20
	src := filepath.Join(b.TempDir(), "src")
	block := filepath.Join(src, tenant, blockA)
	must(b, os.MkdirAll(block, 0o755))
	text, err := os.ReadFile(filepath.Join("read/testdata", tenant, blockA, MetaName))
	must(b, err)
	must(b, os.WriteFile(filepath.Join(block, MetaName), bytes.Replace(text, []byte("vParquet4"), []byte("v99"), 1), 0o644))
	data := make([]byte, size)
	_, _ = rand.Read(data)
	must(b, os.WriteFile(filepath.Join(block, dataName), data, 0o644))
	b.Run("appliance", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			b.StopTimer()
			dst := filepath.Join(b.TempDir(), "dst")
			s, err := store.Open(b.Context(), dst, store.Options{Create: true})
			must(b, err)
			source, err := OpenSource(b.Context(), src, nil)
			must(b, err)
			a, err := New(Options{Store: s, Source: source})
			must(b, err)
			b.StartTimer()
			if out, err := a.RunOnce(b.Context(), nil); err != nil || out.Archived != 1 {
				b.Fatal(out, err)
			}
			b.StopTimer()
			must(b, s.Close())
			must(b, os.RemoveAll(dst))
			b.StartTimer()
		}
	})
	b.Run("cp", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			dst := filepath.Join(b.TempDir(), "dst")
			cmd := exec.CommandContext(b.Context(), "sh", "-c", `cp -r "$0" "$1" && cd "$1" && find . -type f -exec sha256sum {} + >/dev/null && find . -type f -exec sync {} +`, src, dst)
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
			b.StopTimer()
			must(b, os.RemoveAll(dst))
			b.StartTimer()
		}
	})
}
