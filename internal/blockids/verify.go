package blockids

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/willf/bloom"
)

// maxSidecar bounds a bloom filter or index file, in bytes. Tempo's default shard is 100 KiB.
const maxSidecar = 64 << 20

// File is an open file of a block.
type File interface {
	io.ReaderAt
	io.Closer
	Size() (int64, error)
}

// Verify reads everything of a block that a query may need, and says what is wrong: each page of the data has the
// checksum it was written with, each trace is in its bloom filter, the index can be read. A block that was not synced
// before the machine lost power can fail in any of these. open opens a file of the block by its name.
func Verify(open func(name string) (File, error), m Meta) error {
	if !Readable(m.Format) {
		return fmt.Errorf("%w %q", ErrFormat, m.Format)
	}
	filters, err := readBlooms(open, m.BloomShards)
	if err != nil {
		return err
	}
	if index, err := readSidecar(open, "index"); err == nil && !json.Valid(index) {
		return fmt.Errorf("index of %d bytes is no JSON", len(index))
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := open(DataName)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	if size != m.Size {
		return fmt.Errorf("%s has %d bytes, not the %d of %s", DataName, size, m.Size, MetaName)
	}
	if err := readPages(f, size); err != nil {
		return err
	}
	var absent error
	err = Spans(f, size, func(traceID, _ []byte, _ int64) bool {
		if !filters[shard(traceID, len(filters))].Test(traceID) {
			absent = fmt.Errorf("trace %x is not in its bloom filter", traceID)
		}
		return absent == nil
	})
	return errors.Join(err, absent)
}

// readPages reads each page of each column, whose checksums the reader compares.
func readPages(r io.ReaderAt, size int64) (err error) {
	defer func() {
		if p := recover(); p != nil { // see Spans
			err = fmt.Errorf("read a parquet file of %d bytes: %v", size, p)
		}
	}()
	file, err := parquet.OpenFile(r, size, parquet.SkipBloomFilters(true), parquet.ReadBufferSize(readBuffer))
	if err != nil {
		return fmt.Errorf("open a parquet file of %d bytes: %w", size, err)
	}
	for _, group := range file.RowGroups() {
		for i, chunk := range group.ColumnChunks() {
			if err := readChunk(chunk); err != nil {
				return fmt.Errorf("read column %d: %w", i, err)
			}
		}
	}
	return nil
}

func readChunk(chunk parquet.ColumnChunk) error {
	pages := chunk.Pages()
	defer pages.Close()
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		parquet.Release(page)
	}
}

func readBlooms(open func(name string) (File, error), shards int) ([]*bloom.BloomFilter, error) {
	if shards < 1 || shards > 10_000 {
		return nil, fmt.Errorf("%s names %d bloom filters", MetaName, shards)
	}
	filters := make([]*bloom.BloomFilter, shards)
	for i := range filters {
		name := "bloom-" + strconv.Itoa(i)
		data, err := readSidecar(open, name)
		if err != nil {
			return nil, err
		}
		// Three big-endian words, bits, hash functions and bits again, and then the bits.
		if len(data) < 24 || binary.BigEndian.Uint64(data[16:]) > 8*uint64(len(data)) {
			return nil, fmt.Errorf("%s of %d bytes is no bloom filter", name, len(data))
		}
		filters[i] = new(bloom.BloomFilter)
		if _, err := filters[i].ReadFrom(bytes.NewReader(data)); err != nil {
			return nil, fmt.Errorf("read %s of %d bytes: %w", name, len(data), err)
		}
		if filters[i].Cap() == 0 || filters[i].K() == 0 || uint64(filters[i].Cap()) > 8*uint64(len(data)) {
			return nil, fmt.Errorf("%s of %d bytes is no bloom filter", name, len(data))
		}
	}
	return filters, nil
}

// shard is Tempo's choice of the filter that holds a trace.
func shard(traceID []byte, shards int) int {
	h := fnv.New32()
	_, _ = h.Write(traceID) // never fails
	return int(h.Sum32()) % shards
}

func readSidecar(open func(name string) (File, error), name string) ([]byte, error) {
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > maxSidecar {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, size, maxSidecar)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, size), data); err != nil {
		return nil, fmt.Errorf("read %s of %d bytes: %w", name, size, err)
	}
	return data, nil
}
