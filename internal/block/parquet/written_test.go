package parquet_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	oracle "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"appliance/internal/block/parquet"
)

// row has each type in each encoding that the reader knows, at several depths.
type row struct {
	Plain32   int32     `parquet:"Plain32,plain"`
	Delta32   int32     `parquet:"Delta32,delta"`
	Delta64   int64     `parquet:"Delta64,delta"`
	Unsigned  uint64    `parquet:"Unsigned,delta"`
	Dict64    int64     `parquet:"Dict64,dict"`
	Dict32    int32     `parquet:"Dict32,dict"`
	Double    float64   `parquet:"Double,plain"`
	Bool      bool      `parquet:"Bool,plain"`
	PlainText string    `parquet:"PlainText,plain"`
	DictText  string    `parquet:"DictText,dict"`
	Lengths   string    `parquet:"Lengths,delta"`
	Fixed     [5]byte   `parquet:"Fixed,plain"`
	Lists     []nested  `parquet:"Lists,list"`
	Numbers   []float64 `parquet:"Numbers,list"`
	Repeated  []int64   `parquet:"Repeated,plain"`
}

// optional adds what parquet-go cannot write in pages of version 1: it writes
// their repetition levels where there are none.
type optional struct {
	row
	Maybe     *int64  `parquet:"Maybe,optional,plain"`
	MaybeText *string `parquet:"MaybeText,optional,dict"`
}

type nested struct {
	Name   string  `parquet:"Name,dict"`
	Values []int64 `parquet:"Values,list"`
	Flags  []bool  `parquet:"Flags,list"`
}

// number is small, large, or negative.
func number(r *rand.Rand) int64 { return int64(r.Uint64()) >> r.IntN(64) }

func text(r *rand.Rand) string { return strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(40)) }

func randomRow(r *rand.Rand) row {
	v := row{
		Plain32: int32(number(r)), Delta32: int32(number(r)), Delta64: number(r), Unsigned: uint64(number(r)), Dict64: int64(r.IntN(9)),
		Dict32: -int32(r.IntN(9)), Double: r.NormFloat64(), Bool: r.IntN(3) == 0, PlainText: text(r), DictText: text(r), Lengths: text(r),
	}
	copy(v.Fixed[:], text(r))
	for range r.IntN(4) {
		n := nested{Name: text(r)}
		for range r.IntN(4) {
			n.Values = append(n.Values, number(r))
			n.Flags = append(n.Flags, r.IntN(2) == 0)
		}
		v.Lists = append(v.Lists, n)
		v.Numbers = append(v.Numbers, r.Float64())
		v.Repeated = append(v.Repeated, number(r))
	}
	return v
}

func randomOptional(r *rand.Rand) optional {
	v := optional{row: randomRow(r)}
	if r.IntN(2) == 0 {
		n, s := number(r), text(r)
		v.Maybe, v.MaybeText = &n, &s
	}
	return v
}

func written(t testing.TB, seed uint64, rows, version int, codec compress.Codec) []byte {
	t.Helper()
	if version == 1 {
		return write(t, seed, rows, version, codec, randomRow)
	}
	return write(t, seed, rows, version, codec, randomOptional)
}

func write[T any](t testing.TB, seed uint64, rows, version int, codec compress.Codec, random func(*rand.Rand) T) []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	var out bytes.Buffer
	w := oracle.NewGenericWriter[T](&out, oracle.PageBufferSize(900), oracle.DataPageVersion(version), oracle.Compression(codec), oracle.MaxRowsPerRowGroup(int64(max(1, rows/3))))
	for range rows {
		if _, err := w.Write([]T{random(r)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Each encoding and codec, in pages of both versions, gives what parquet-go
// reads.
func TestWrittenByOracle(t *testing.T) {
	codecs := map[string]compress.Codec{"none": &oracle.Uncompressed, "snappy": &oracle.Snappy, "zstd": &oracle.Zstd, "gzip": &oracle.Gzip}
	for name, codec := range codecs {
		for version := 1; version <= 2; version++ {
			t.Run(fmt.Sprintf("%s/v%d", name, version), func(t *testing.T) {
				for seed, rows := range []int{1, 2, 7, 500} {
					equalToOracle(t, written(t, uint64(seed), rows, version, codec))
				}
			})
		}
	}
}

func TestUnsupportedCodec(t *testing.T) {
	f := open(t, written(t, 1, 3, 2, &oracle.Lz4Raw))
	var v parquet.Values
	for i := range f.Groups[0].Chunks {
		if err := f.Groups[0].Chunks[i].Pages(t.Context()).Next(&v); err != nil {
			if !errors.Is(err, parquet.ErrUnsupported) || errors.Is(err, parquet.ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("pages of a codec that is not supported were read")
}
