package parquet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// ErrUnsupported says that a file is in order as far as can be seen, and uses
// what this package does not read: a codec, an encoding, a type.
var ErrUnsupported = errors.New("not supported")

// ErrDamaged says that a file contradicts itself or the format.
var ErrDamaged = errors.New("parquet file is damaged")

// maxFooterBytes bounds a footer. One of Tempo takes 17 KB a row group.
const maxFooterBytes = 64 << 20

// maxIndexLength bounds the index of a chunk, which has some 15 bytes a page, and
// two bounds.
const maxIndexLength = 16 << 20

// A ReaderAt gives ranges of a file. It reads as io.ReaderAt says, also at the
// same time, and ends soon after ctx does.
type ReaderAt interface {
	ReadAt(ctx context.Context, p []byte, off int64) (int, error)
}

// File is open for reading. Its methods may be called at the same time.
type File struct {
	Columns   []Column
	Groups    []Group
	Rows      int64
	FooterLen int64 // bytes of the metadata

	r      ReaderAt
	size   int64
	zstd   func() (*zstd.Decoder, error)
	memory sync.Pool // of *[]byte: for the bytes of dictionaries, as they are stored
}

// Column is a leaf of the schema.
type Column struct {
	Index    int
	Path     string // the names from below the root, joined by dots
	Type     Type
	Width    int   // bytes, of a FixedLenByteArray
	MaxRep   uint8 // highest repetition level
	MaxDef   uint8 // highest definition level, which a value has
	Unsigned bool  // an integer is compared as one without a sign
}

// Group is a row group.
type Group struct {
	Rows   int64
	Chunks []Chunk // one a column
}

// Chunk is a column in a row group.
type Chunk struct {
	Column *Column
	file   *File
	meta   *ColumnChunk
	rows   int64 // of its row group
}

// Open reads the footer of a file of size bytes, and holds it against itself.
func Open(ctx context.Context, r ReaderAt, size int64) (*File, error) {
	meta, length, err := readFooter(ctx, r, size)
	if err != nil {
		return nil, err
	}
	f := &File{Rows: meta.NumRows, FooterLen: length, r: r, size: size, zstd: newZstd()}
	if err := f.setColumns(meta.Schema); err != nil {
		return nil, err
	}
	if err := f.setGroups(meta.RowGroups); err != nil {
		return nil, err
	}
	return f, nil
}

const (
	tailBytes  = 8        // the length of the footer, and the magic
	guessBytes = 64 << 10 // read with the tail, since the footer mostly fits
)

func readFooter(ctx context.Context, r ReaderAt, size int64) (*FileMetaData, int64, error) {
	least := int64(len(Magic) + tailBytes)
	if size < least {
		return nil, 0, fmt.Errorf("%w: it has %d bytes", ErrDamaged, size)
	}
	tail := make([]byte, min(size, guessBytes))
	if err := readFull(ctx, r, tail, size-int64(len(tail))); err != nil {
		return nil, 0, damaged("footer", err)
	}
	end := tail[len(tail)-tailBytes:]
	length := int64(binary.LittleEndian.Uint32(end))
	if string(end[4:]) != Magic || length > size-least {
		return nil, 0, fmt.Errorf("%w: %d bytes end in %q", ErrDamaged, size, end)
	}
	if length > maxFooterBytes {
		return nil, 0, fmt.Errorf("%w: a footer of %d bytes, above %d", ErrUnsupported, length, maxFooterBytes)
	}
	footer := tail[:len(tail)-tailBytes]
	if int64(len(footer)) >= length {
		footer = footer[int64(len(footer))-length:]
	} else {
		footer = make([]byte, length)
		if err := readFull(ctx, r, footer, size-tailBytes-length); err != nil {
			return nil, 0, damaged("footer", err)
		}
	}
	meta, err := ReadFileMetaData(footer)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return meta, length, nil
}

// A sourceError says that bytes could not be had, which tells nothing of the
// file.
type sourceError struct{ error }

func (e sourceError) Unwrap() error { return e.error }

// readFull fills p. A file that ends early is not a sourceError.
func readFull(ctx context.Context, r ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(ctx, p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("read %d bytes at %d: %w", len(p), off, io.ErrUnexpectedEOF)
	}
	return sourceError{fmt.Errorf("read %d bytes at %d: %w", len(p), off, err)}
}

// damaged says what is wrong with a part of the file, if the file is to blame.
func damaged(what string, err error) error {
	var source sourceError
	if errors.As(err, &source) || errors.Is(err, ErrUnsupported) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrDamaged, what, err)
}

// maxNesting bounds levels to seven bits: see unpackLevels.
const maxNesting = 0x7f

func (f *File) setColumns(schema []SchemaElement) error {
	var err error
	whole := walk(schema, func(e *SchemaElement, path []string, rep, def uint8) {
		c := Column{
			Index: len(f.Columns), Path: strings.Join(path, "."), Type: e.Type, Width: int(e.TypeLength), MaxRep: rep, MaxDef: def,
			Unsigned: e.Logical.Kind == LogicalInteger && !e.Logical.Signed,
		}
		if e.Repetition < Required || e.Repetition > Repeated || e.Type < Boolean || e.Type > FixedLenByteArray {
			err = fmt.Errorf("%w: column %s has type %d, repetition %d", ErrDamaged, c.Path, e.Type, e.Repetition)
		}
		if len(path) > maxNesting {
			err = fmt.Errorf("%w: column %s is within %d others", ErrDamaged, c.Path, len(path))
		}
		f.Columns = append(f.Columns, c)
	})
	if err == nil && !whole {
		err = fmt.Errorf("%w: %d elements of its schema are not a tree", ErrDamaged, len(schema))
	}
	return err
}

// setGroups takes the row groups over. What a chunk says of its place must be
// within the file, and no two chunks share bytes.
func (f *File) setGroups(groups []RowGroup) error {
	var rows int64
	var spans [][2]int64
	for g := range groups {
		group := Group{Rows: groups[g].NumRows, Chunks: make([]Chunk, len(groups[g].Columns))}
		if group.Rows < 0 || rows+group.Rows < rows {
			return fmt.Errorf("%w: row group %d has %d rows", ErrDamaged, g, group.Rows)
		}
		rows += group.Rows
		for i := range groups[g].Columns {
			c := &group.Chunks[i]
			*c = Chunk{Column: &f.Columns[i], file: f, meta: &groups[g].Columns[i], rows: group.Rows}
			if err := c.check(); err != nil {
				return fmt.Errorf("%w: row group %d, column %s: %w", ErrDamaged, g, c.Column.Path, err)
			}
			spans = append(spans, [2]int64{c.start(), c.end()})
		}
		f.Groups = append(f.Groups, group)
	}
	if rows != f.Rows {
		return fmt.Errorf("%w: %d rows in row groups, and %d altogether", ErrDamaged, rows, f.Rows)
	}
	slices.SortFunc(spans, func(a, b [2]int64) int { return int(min(1, max(-1, a[0]-b[0]))) })
	for i := 1; i < len(spans); i++ {
		if spans[i][0] < spans[i-1][1] {
			return fmt.Errorf("%w: two column chunks share the bytes at %d", ErrDamaged, spans[i][0])
		}
	}
	return nil
}

// Alone returns the chunks of one column, by row group. They hold nothing of other
// columns in memory, nor the bounds of their values.
func (f *File) Alone(column int) []Chunk {
	alone := &File{Rows: f.Rows, FooterLen: f.FooterLen, r: f.r, size: f.size, zstd: f.zstd}
	c := f.Columns[column]
	chunks := make([]Chunk, len(f.Groups))
	metas := make([]ColumnChunk, len(f.Groups))
	for g := range f.Groups {
		from := &f.Groups[g].Chunks[column]
		metas[g] = *from.meta
		m := &metas[g].MetaData
		m.Encodings, m.Path, m.Statistics, m.EncodingStats = slices.Clone(m.Encodings), nil, Statistics{}, nil
		chunks[g] = Chunk{Column: &c, file: alone, meta: &metas[g], rows: from.rows}
	}
	return chunks
}

func (c *Chunk) start() int64 { return c.meta.MetaData.Start() }
func (c *Chunk) end() int64   { return c.start() + c.meta.MetaData.TotalCompressedSize }

func (c *Chunk) check() error {
	m := &c.meta.MetaData
	footer := c.file.size - tailBytes - c.file.FooterLen
	if m.Type != c.Column.Type {
		return fmt.Errorf("its type is %d, and %d in the schema", m.Type, c.Column.Type)
	}
	if c.start() < int64(len(Magic)) || c.start() > footer || m.TotalCompressedSize < 0 || m.TotalCompressedSize > footer || c.end() > footer {
		return fmt.Errorf("%d bytes at %d, before a footer at %d", m.TotalCompressedSize, c.start(), footer)
	}
	if m.DataPageOffset < c.start() || m.DataPageOffset > c.end() {
		return fmt.Errorf("data pages at %d, of a chunk at %d", m.DataPageOffset, c.start())
	}
	if m.NumValues < c.rows || c.Column.MaxRep == 0 && m.NumValues != c.rows {
		return fmt.Errorf("%d values in %d rows", m.NumValues, c.rows)
	}
	for _, x := range [2][2]int64{
		{c.meta.ColumnIndexOffset, int64(c.meta.ColumnIndexLength)},
		{c.meta.OffsetIndexOffset, int64(c.meta.OffsetIndexLength)},
	} {
		if x[0] < 0 || x[1] < 0 || x[0] > footer || x[1] > min(maxIndexLength, footer-x[0]) {
			return fmt.Errorf("an index of %d bytes at %d, before a footer at %d", x[1], x[0], footer)
		}
	}
	return nil
}

// Rows is how many rows the chunk has, those of its row group.
func (c *Chunk) Rows() int64 { return c.rows }

// Entries is how many entries the chunk has, with nulls.
func (c *Chunk) Entries() int64 { return c.meta.MetaData.NumValues }

// Bytes is what the chunk's pages take in the file.
func (c *Chunk) Bytes() int64 { return c.meta.MetaData.TotalCompressedSize }

// HasDictionary says whether the chunk begins with a dictionary. Data pages may
// still be in another encoding.
func (c *Chunk) HasDictionary() bool { return c.meta.MetaData.DictionaryPageOffset > 0 }

// OnlyDictionary says whether each value of the chunk is in its dictionary.
func (c *Chunk) OnlyDictionary() bool {
	for _, s := range c.meta.MetaData.EncodingStats {
		if s.PageType != DictionaryPage && s.Encoding != RLEDictionary && s.Encoding != PlainDictionary {
			return false
		}
	}
	return c.HasDictionary() && len(c.meta.MetaData.EncodingStats) > 0
}

// Statistics bounds the values of the chunk, as far as its writer says.
func (c *Chunk) Statistics() Statistics { return c.meta.MetaData.Statistics }

// AllNull says whether the statistics tell that there is no value.
func (c *Chunk) AllNull() bool {
	s := &c.meta.MetaData.Statistics
	return s.HasNullCount && s.NullCount == c.meta.MetaData.NumValues
}
