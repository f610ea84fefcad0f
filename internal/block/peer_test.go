package block

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// stream reads messages that stand behind their lengths, compressed.
func stream(t testing.TB, name string) [][]byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if data, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	var list [][]byte
	for len(data) > 0 {
		n, k := binary.Uvarint(data)
		list = append(list, data[k:k+int(n)])
		data = data[k+int(n):]
	}
	return list
}

// testdata/peer has blocks that Tempo's code at the commit of .ci/peers/tempo
// wrote of the spans of blocktest.Random, with dedicated columns, and beside
// each what the same code reads from it.
func TestReadsWhatTempoReads(t *testing.T) {
	dirs, err := filepath.Glob("testdata/peer/*/meta.json")
	if err != nil || len(dirs) == 0 {
		t.Fatal(dirs, err)
	}
	for _, dir := range dirs {
		dir := filepath.Dir(dir)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			b := openBlock(t, dir)
			var got, want []string
			for data, err := range b.Traces(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				got = spanTexts(t, got, data)
			}
			for _, data := range stream(t, dir+"/dump.stream.gz") {
				want = spanTexts(t, want, data)
			}
			sameTexts(t, got, want)
			if r, err := b.Verify(t.Context(), 0); err != nil || int(r.Spans) != len(want) {
				t.Errorf("verification: %+v, %v", r, err)
			}
		})
	}
}
