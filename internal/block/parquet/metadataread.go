package parquet

import (
	"errors"
	"fmt"
	"slices"
)

// errMetadata says that a structure of the footer is damaged.
var errMetadata = errors.New("metadata is damaged")

// ReadFileMetaData reads a footer, without the length and the magic that follow
// it in a file. Byte slices of the result are parts of b.
func ReadFileMetaData(b []byte) (*FileMetaData, error) {
	m := &FileMetaData{}
	d := metadataReader{thriftReader: thriftReader{b: b}}
	var groups []byte // read last, when the schema is known
	d.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			m.Version = d.i32()
		case id == 2 && kind == thriftList:
			m.Schema = listOf(&d, thriftStruct, m.Schema, d.schemaElement)
		case id == 3 && kind == thriftI64:
			m.NumRows = d.i64()
		case id == 4 && kind == thriftList:
			groups = d.b
			d.skip(kind)
		case id == 5 && kind == thriftList:
			m.KeyValues = listOf(&d, thriftStruct, m.KeyValues, d.keyValue)
		case id == 6 && kind == thriftBinary:
			m.CreatedBy = string(d.binary())
		case id == 7 && kind == thriftList:
			n, element := d.listHeader()
			for i := 0; i < n && d.err == nil; i++ {
				d.skipElement(element)
			}
			m.ColumnOrders = n
		default:
			return false
		}
		return true
	})
	if d.err == nil && groups != nil {
		d.b = groups
		d.paths = leafPaths(m.Schema)
		m.RowGroups = listOf(&d, thriftStruct, m.RowGroups, d.rowGroup)
	}
	if d.err != nil {
		return nil, fmt.Errorf("%w: a footer of %d bytes: %w", errMetadata, len(b), d.err)
	}
	return m, nil
}

// metadataReader reads the structures of the footer.
type metadataReader struct {
	thriftReader
	paths [][]string // of the leaves, to be shared by the chunks of all row groups
}

// listOf reads a list whose elements are of a kind. It grows with what is
// read, not with what the list says that it has.
func listOf[T any](d *metadataReader, want byte, list []T, read func() T) []T {
	n, kind := d.listHeader()
	if n > 0 && kind != want {
		d.fail(errThriftType)
		return nil
	}
	list = slices.Grow(list, min(n, 64)) // not more, since n may be anything
	for i := 0; i < n && d.err == nil; i++ {
		list = append(list, read())
	}
	return slices.Clip(list)
}

func (d *metadataReader) keyValue() (kv KeyValue) {
	d.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftBinary:
			kv.Key = string(d.binary())
		case id == 2 && kind == thriftBinary:
			kv.Value = string(d.binary())
		default:
			return false
		}
		return true
	})
	return kv
}

func (d *metadataReader) schemaElement() SchemaElement {
	e := SchemaElement{Converted: NoConvertedType}
	named := false
	d.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			e.Type, e.Leaf = Type(d.i32()), true
		case id == 2 && kind == thriftI32:
			e.TypeLength = d.i32()
		case id == 3 && kind == thriftI32:
			e.Repetition, e.HasRepetition = Repetition(d.i32()), true
		case id == 4 && kind == thriftBinary:
			e.Name, named = string(d.binary()), true
		case id == 5 && kind == thriftI32:
			e.NumChildren = d.i32()
		case id == 6 && kind == thriftI32:
			e.Converted = ConvertedType(d.i32())
		case id == 10 && kind == thriftStruct:
			e.Logical = d.logicalType()
		default:
			return false
		}
		return true
	})
	if !named || e.NumChildren < 0 || e.Leaf && e.NumChildren > 0 {
		d.fail(errThriftMissing)
	}
	return e
}

func (d *metadataReader) logicalType() (l LogicalType) {
	d.fields(func(id int16, kind byte) bool {
		if kind != thriftStruct || id < 0 || id > 255 {
			return false
		}
		l.Kind = LogicalKind(id)
		if l.Kind != LogicalInteger {
			return false
		}
		d.fields(func(id int16, kind byte) bool {
			switch {
			case id == 1 && kind == thriftByte:
				l.BitWidth = int8(d.byte())
			case id == 2 && (kind == thriftTrue || kind == thriftFalse):
				l.Signed = kind == thriftTrue
			default:
				return false
			}
			return true
		})
		return true
	})
	return l
}

func (d *metadataReader) rowGroup() (g RowGroup) {
	d.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftList:
			g.Columns = make([]ColumnChunk, 0, len(d.paths))
			leaf := -1
			g.Columns = listOf(d, thriftStruct, g.Columns, func() ColumnChunk {
				leaf++
				return d.columnChunk(leaf)
			})
		case id == 2 && kind == thriftI64:
			g.TotalByteSize = d.i64()
		case id == 3 && kind == thriftI64:
			g.NumRows = d.i64()
		case id == 5 && kind == thriftI64:
			g.FileOffset = d.i64()
		case id == 6 && kind == thriftI64:
			g.TotalCompressedSize = d.i64()
		case id == 7 && kind == thriftI16:
			g.Ordinal = int16(d.i64())
		default:
			return false
		}
		return true
	})
	if d.err == nil && len(g.Columns) != len(d.paths) {
		d.fail(fmt.Errorf("a row group has %d columns, and the schema %d", len(g.Columns), len(d.paths)))
	}
	return g
}

// columnChunk reads the chunk of a leaf.
func (d *metadataReader) columnChunk(leaf int) (c ColumnChunk) {
	described := false
	d.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftBinary:
			if path := d.binary(); len(path) > 0 {
				d.fail(errors.New("a column is in another file"))
			}
		case id == 2 && kind == thriftI64:
			c.FileOffset = d.i64()
		case id == 3 && kind == thriftStruct:
			d.columnMetaData(&c.MetaData, leaf)
			described = true
		case id == 4 && kind == thriftI64:
			c.OffsetIndexOffset = d.i64()
		case id == 5 && kind == thriftI32:
			c.OffsetIndexLength = d.i32()
		case id == 6 && kind == thriftI64:
			c.ColumnIndexOffset = d.i64()
		case id == 7 && kind == thriftI32:
			c.ColumnIndexLength = d.i32()
		default:
			return false
		}
		return true
	})
	if !described || leaf >= len(d.paths) {
		d.fail(errThriftMissing)
	}
	return c
}

func (d *metadataReader) columnMetaData(m *ColumnMetaData, leaf int) {
	d.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			m.Type = Type(d.i32())
		case id == 2 && kind == thriftList:
			m.Encodings = listOf(d, thriftI32, m.Encodings, func() Encoding { return Encoding(d.i32()) })
		case id == 3 && kind == thriftList:
			m.Path = d.path(leaf)
		case id == 4 && kind == thriftI32:
			m.Codec = Codec(d.i32())
		case id == 5 && kind == thriftI64:
			m.NumValues = d.i64()
		case id == 6 && kind == thriftI64:
			m.TotalUncompressedSize = d.i64()
		case id == 7 && kind == thriftI64:
			m.TotalCompressedSize = d.i64()
		case id == 9 && kind == thriftI64:
			m.DataPageOffset = d.i64()
		case id == 11 && kind == thriftI64:
			m.DictionaryPageOffset = d.i64()
		case id == 12 && kind == thriftStruct:
			m.Statistics = d.statistics()
		case id == 13 && kind == thriftList:
			m.EncodingStats = listOf(d, thriftStruct, m.EncodingStats, d.encodingStats)
		default:
			return false
		}
		return true
	})
}

// path reads the path of a chunk, which must be that of its leaf.
func (d *metadataReader) path(leaf int) []string {
	if leaf >= len(d.paths) {
		d.fail(errThriftMissing)
		return nil
	}
	want := d.paths[leaf]
	n, kind := d.listHeader()
	for i := 0; i < n && d.err == nil; i++ {
		if kind != thriftBinary || n != len(want) || string(d.binary()) != want[i] {
			d.fail(fmt.Errorf("column %d is not %v", leaf, want))
		}
	}
	return want
}

func (d *metadataReader) encodingStats() (s PageEncodingStats) {
	d.fields(func(id int16, kind byte) bool {
		if kind != thriftI32 {
			return false
		}
		switch id {
		case 1:
			s.PageType = PageType(d.i32())
		case 2:
			s.Encoding = Encoding(d.i32())
		case 3:
			s.Count = d.i32()
		default:
			return false
		}
		return true
	})
	return s
}

func (d *metadataReader) statistics() (s Statistics) {
	d.fields(func(id int16, kind byte) bool {
		switch {
		case id == 3 && kind == thriftI64:
			s.NullCount, s.HasNullCount = d.i64(), true
		case id == 5 && kind == thriftBinary:
			s.Max = d.binary()
		case id == 6 && kind == thriftBinary:
			s.Min = d.binary()
		default:
			return false
		}
		return true
	})
	return s
}

// leafPaths returns the path of each leaf of a schema, without the root.
func leafPaths(schema []SchemaElement) [][]string {
	var paths [][]string
	walk(schema, func(e *SchemaElement, path []string, _, _ uint8) {
		paths = append(paths, slices.Clone(path))
	})
	return paths
}

// maxSchemaDepth bounds groups in groups. Those of blocks have 17.
const maxSchemaDepth = 64

// walk calls visit for each leaf with its path and its highest repetition and
// definition levels, and says whether the elements are one tree.
func walk(schema []SchemaElement, visit func(e *SchemaElement, path []string, rep, def uint8)) bool {
	if len(schema) == 0 || schema[0].Leaf {
		return false
	}
	var path []string
	next := 1
	var group func(children int32, rep, def uint8) bool
	group = func(children int32, rep, def uint8) bool {
		for range children {
			if next >= len(schema) || len(path) >= maxSchemaDepth {
				return false
			}
			e := &schema[next]
			next++
			path = append(path, e.Name)
			rep, def := rep, def
			switch e.Repetition {
			case Repeated:
				rep, def = rep+1, def+1
			case Optional:
				def++
			}
			if e.Leaf {
				visit(e, path, rep, def)
			} else if !group(e.NumChildren, rep, def) {
				return false
			}
			path = path[:len(path)-1]
		}
		return true
	}
	return group(schema[0].NumChildren, 0, 0) && next == len(schema)
}
