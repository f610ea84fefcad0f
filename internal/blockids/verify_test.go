package blockids

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// memFile is an open file in memory.
type memFile struct{ *bytes.Reader }

func (memFile) Close() error           { return nil }
func (f memFile) Size() (int64, error) { return f.Reader.Size(), nil }

func open(files map[string][]byte) func(name string) (File, error) {
	return func(name string) (File, error) {
		data, ok := files[name]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return memFile{bytes.NewReader(data)}, nil
	}
}

func whole(t *testing.T) (map[string][]byte, Meta) {
	t.Helper()
	files := map[string][]byte{DataName: block(t)}
	for _, name := range []string{"bloom-0", "index", MetaName} {
		data, err := os.ReadFile("testdata/tempo-2.7.2." + name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	m, err := ParseMeta(files[MetaName])
	if err != nil {
		t.Fatal(err)
	}
	return files, m
}

func TestVerify(t *testing.T) {
	files, m := whole(t)
	if err := Verify(open(files), m); err != nil {
		t.Fatal(err)
	}
	delete(files, "index") // not every version of Tempo writes one
	if err := Verify(open(files), m); err != nil {
		t.Fatal(err)
	}
	delete(files, "bloom-0")
	if err := Verify(open(files), m); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a bloom filter: %v", err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	for name, change := range map[string]func(files map[string][]byte, m *Meta){
		"unknown block format": func(_ map[string][]byte, m *Meta) { m.Format = "v2" },
		"names 0 bloom":        func(_ map[string][]byte, m *Meta) { m.BloomShards = 0 },
		"names 1000000 bloom":  func(_ map[string][]byte, m *Meta) { m.BloomShards = 1_000_000 },
		"not the 7 of":         func(_ map[string][]byte, m *Meta) { m.Size = 7 },
		"bloom-1":              func(_ map[string][]byte, m *Meta) { m.BloomShards = 2 },
		"more than":            func(files map[string][]byte, _ *Meta) { files["index"] = make([]byte, maxSidecar+1) },
		"is no JSON":           func(files map[string][]byte, _ *Meta) { files["index"] = []byte("{") },
		"is no bloom filter":   func(files map[string][]byte, _ *Meta) { files["bloom-0"] = bytes.Repeat([]byte{0xff}, 1000) },
		"is not in its bloom":  func(files map[string][]byte, _ *Meta) { clear(files["bloom-0"][24:]) },
		"open a parquet file":  func(files map[string][]byte, _ *Meta) { clear(files[DataName]) },
	} {
		files, m := whole(t)
		change(files, &m)
		if err := Verify(open(files), m); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
	}
}

// A flipped bit in a page of any column is found by the page's checksum.
func TestVerifyFindsFlippedBits(t *testing.T) {
	files, m := whole(t)
	data := files[DataName]
	const footer = 17456 // of meta.json; it has no checksum
	missed, tried := 0, 0
	for at := 4; at < len(data)-footer-8; at += 101 {
		data[at] ^= 0x04
		if err := Verify(open(files), m); err == nil {
			missed++
		}
		data[at] ^= 0x04
		tried++
	}
	// What has no checksum either: headers of pages, and the index of columns.
	if missed > tried/4 {
		t.Errorf("%d of %d flipped bits were not found", missed, tried)
	}
	t.Logf("%d of %d flipped bits found", tried-missed, tried)
}
