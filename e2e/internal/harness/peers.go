package harness

import (
	"os"
	"path/filepath"
	"testing"
)

// Bin returns the appliance under test, named by APPLIANCE_BIN.
func Bin(t testing.TB) string {
	t.Helper()
	bin := os.Getenv("APPLIANCE_BIN")
	if bin == "" {
		t.Fatal("APPLIANCE_BIN is not set: build ./cmd/appliance and name the binary in it")
	}
	bin, err := filepath.Abs(bin)
	if err != nil {
		t.Fatal(err)
	}
	mustRun(t, bin, "build it with: CGO_ENABLED=0 go build -o .cache/appliance ./cmd/appliance")
	return bin
}

// Peer returns a program that .ci/peers/build made.
func Peer(t testing.TB, name string) string {
	t.Helper()
	bin := filepath.Join(root(t), ".cache", "peers", "bin", name)
	mustRun(t, bin, "build it with: .ci/peers/build "+name)
	return bin
}

// NodeDir returns the directory with the Node.js client and its installed packages.
func NodeDir(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(root(t), "e2e", "node")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "@opentelemetry")); err != nil {
		t.Fatalf("the packages of %s are not installed: install them with: .ci/peers/build node", dir)
	}
	return dir
}

func mustRun(t testing.TB, bin, remedy string) {
	t.Helper()
	info, err := os.Stat(bin)
	if err != nil {
		t.Fatalf("%v; %s", err, remedy)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		t.Fatalf("%s is no program; %s", bin, remedy)
	}
}

// root is the repository's directory; tests run somewhere below it.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, ".ci", "peers")); err == nil {
			return dir
		}
		above := filepath.Dir(dir)
		if above == dir {
			t.Fatal("this is not run in the repository")
		}
		dir = above
	}
}
