package blocks

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"appliance/e2e/internal/content"
	"appliance/internal/block/blocktest"
)

// input is spans as export requests, in the order in which they came.
type input struct {
	name    string
	records [][]byte
	wild    bool // the spans may say anything
}

// long says that there are hours.
func long() bool { return os.Getenv("BLOCKS") == "long" }

// conformance is the dataset of the conformance corpus: a part, or all.
func conformance(t testing.TB, pattern string) *input {
	t.Helper()
	in := &input{name: "conformance"}
	files, err := filepath.Glob(filepath.Join("..", "testdata", "conformance", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no file is %s: %v", pattern, err)
	}
	for _, f := range files {
		data, err := content.File(f)
		if err != nil {
			t.Fatal(err)
		}
		in.records = append(in.records, data)
	}
	return in
}

// random is traces of everything that OTLP can say.
func random(seed uint64, traces int) *input {
	return &input{
		name: fmt.Sprintf("random %d", seed), wild: true,
		records: blocktest.Records(seed, blocktest.Random(seed, traces)),
	}
}

// tame is the input without what a stock Tempo does not get right itself.
func (in *input) tame(t testing.TB) *input {
	t.Helper()
	if !in.wild {
		return in
	}
	tame := &input{name: in.name, wild: true}
	for _, r := range in.records {
		td, err := content.Decode(r)
		if err != nil {
			t.Fatal(err)
		}
		content.Tame(td)
		record, err := proto.Marshal(td)
		if err != nil {
			t.Fatal(err)
		}
		tame.records = append(tame.records, record)
	}
	return tame
}

// load is the spans of a system of twenty services.
func load(seed uint64, spans int) *input {
	in := &input{name: fmt.Sprintf("%d spans", spans)}
	for l := blocktest.NewLoad(seed, spans); ; {
		record, n := l.Next()
		if n == 0 {
			return in
		}
		in.records = append(in.records, bytes.Clone(record))
	}
}

// inputs are what blocks are made of.
func inputs(t testing.TB) []*input {
	t.Helper()
	spans, seeds, traces := 30_000, 2, 300
	if long() {
		spans, seeds, traces = 200_000, 50, 2000
	}
	all := []*input{conformance(t, "*/*.pb.gz"), load(1, spans)}
	for seed := range seeds {
		all = append(all, random(uint64(seed), traces))
	}
	return all
}

// stream is the records, each behind its length.
func (in *input) stream() io.Reader {
	var b []byte
	for _, r := range in.records {
		b = append(binary.AppendUvarint(b, uint64(len(r))), r...)
	}
	return bytes.NewReader(b)
}

// held is what a block in vParquet4 holds of the input.
func (in *input) held(t testing.TB) *content.Set {
	t.Helper()
	set := content.NewSet()
	for _, r := range in.records {
		td, err := content.Decode(r)
		if err != nil {
			t.Fatal(err)
		}
		content.KeepHeld(td)
		if err := set.Add(td); err != nil {
			t.Fatal(err)
		}
	}
	return set
}
