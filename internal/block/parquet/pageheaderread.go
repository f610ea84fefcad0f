package parquet

import (
	"errors"
	"fmt"
)

// errPage says that a page is damaged.
var errPage = errors.New("a page is damaged")

// Bounds of a page. Tempo ends one at 256 KiB, but never within a row, and a
// row may have a million spans.
const (
	maxPageBytes  = 256 << 20 // decompressed
	maxPageValues = 1 << 24   // with nulls
)

// ReadPageHeader reads the header that b begins with, and returns its length.
// errThriftShort is in the chain of the error if b may only be too short.
func ReadPageHeader(b []byte) (h PageHeader, length int, err error) {
	d := metadataReader{thriftReader: thriftReader{b: b}}
	kinds := 0
	h.Type, h.CompressedSize, h.UncompressedSize = -1, -1, -1
	d.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			h.Type = PageType(d.i32())
		case id == 2 && kind == thriftI32:
			h.UncompressedSize = d.i32()
		case id == 3 && kind == thriftI32:
			h.CompressedSize = d.i32()
		case id == 4 && kind == thriftI32:
			h.CRC, h.HasCRC = uint32(d.i32()), true
		case id == 5 && kind == thriftStruct:
			kinds |= 1 << DataPage
			d.dataPage(&h.V1)
		case id == 7 && kind == thriftStruct:
			kinds |= 1 << DictionaryPage
			d.dictionaryPage(&h.Dictionary)
		case id == 8 && kind == thriftStruct:
			kinds |= 1 << DataPageV2
			d.dataPageV2(&h.V2)
		default:
			return false
		}
		return true
	})
	if d.err != nil {
		return h, 0, fmt.Errorf("%w: its header: %w", errPage, d.err)
	}
	if h.Type < 0 || h.Type > DataPageV2 || h.Type != IndexPage && kinds != 1<<h.Type {
		return h, 0, fmt.Errorf("%w: its header is of no kind", errPage)
	}
	return h, len(b) - len(d.b), h.check()
}

// encoding is that of the page's values.
func (h *PageHeader) encoding() Encoding {
	switch h.Type {
	case DataPage:
		return h.V1.Encoding
	case DataPageV2:
		return h.V2.Encoding
	default:
		return h.Dictionary.Encoding
	}
}

// check bounds what a header says before anybody allocates by it.
func (h *PageHeader) check() error {
	size, full := h.CompressedSize, h.UncompressedSize
	if size < 0 || full < 0 || size > maxPageBytes || full > maxPageBytes {
		return fmt.Errorf("%w: %d bytes, and %d decompressed", errPage, size, full)
	}
	for _, n := range []int32{h.V1.NumValues, h.V2.NumValues, h.Dictionary.NumValues} {
		if n < 0 || n > maxPageValues {
			return fmt.Errorf("%w: %d values", errPage, n)
		}
	}
	v2 := &h.V2
	if v2.NumNulls < 0 || v2.NumNulls > v2.NumValues || v2.NumRows < 0 || v2.NumRows > v2.NumValues {
		return fmt.Errorf("%w: %d values, %d of them null, in %d rows", errPage, v2.NumValues, v2.NumNulls, v2.NumRows)
	}
	rep, def := v2.RepetitionLength, v2.DefinitionLength
	if rep < 0 || def < 0 || rep > size || def > size-rep || rep+def > full {
		return fmt.Errorf("%w: %d and %d bytes of levels in %d", errPage, rep, def, size)
	}
	return nil
}

func (d *metadataReader) dataPage(p *DataPageHeader) {
	d.fields(func(id int16, kind byte) bool {
		if kind != thriftI32 {
			return false
		}
		switch id {
		case 1:
			p.NumValues = d.i32()
		case 2:
			p.Encoding = Encoding(d.i32())
		case 3:
			p.DefinitionEncoding = Encoding(d.i32())
		case 4:
			p.RepetitionEncoding = Encoding(d.i32())
		default:
			return false
		}
		return true
	})
}

func (d *metadataReader) dictionaryPage(p *DictionaryPageHeader) {
	d.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			p.NumValues = d.i32()
		case id == 2 && kind == thriftI32:
			p.Encoding = Encoding(d.i32())
		case id == 3 && (kind == thriftTrue || kind == thriftFalse):
			p.Sorted = kind == thriftTrue
		default:
			return false
		}
		return true
	})
}

func (d *metadataReader) dataPageV2(p *DataPageHeaderV2) {
	d.fields(func(id int16, kind byte) bool {
		switch {
		case id == 7 && (kind == thriftTrue || kind == thriftFalse):
			p.Uncompressed = kind == thriftFalse
			return true
		case kind != thriftI32:
			return false
		}
		switch id {
		case 1:
			p.NumValues = d.i32()
		case 2:
			p.NumNulls = d.i32()
		case 3:
			p.NumRows = d.i32()
		case 4:
			p.Encoding = Encoding(d.i32())
		case 5:
			p.DefinitionLength = d.i32()
		case 6:
			p.RepetitionLength = d.i32()
		default:
			return false
		}
		return true
	})
}
