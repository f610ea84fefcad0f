package parquet

import (
	"fmt"
)

// pageHeader is what stands before the bytes of a page.
type pageHeader struct {
	kind       int32
	size       int // of the bytes that follow, as they are stored
	fullSize   int // of these, decompressed
	crc        uint32
	hasCRC     bool
	values     int // with nulls
	encoding   Encoding
	defEnc     Encoding // of levels, in pages of version 1
	repEnc     Encoding
	rows       int // the following are of version 2
	nulls      int
	repSize    int // bytes of the levels, which come first and are never compressed
	defSize    int
	compressed bool // the values are, if the chunk has a codec
}

const (
	maxHeaderBytes = 64 << 10 // a header has statistics, and with them two values
	maxPageBytes   = 1 << 30  // of a page; Tempo's have 256 KiB
	maxPageValues  = 1 << 27  // of a page, nulls among them; a row is never divided
)

// readPageHeader returns the header that b begins with, and its length.
func readPageHeader(b []byte) (h pageHeader, length int, err error) {
	r := thriftReader{b: b}
	var inner int
	h.kind, h.size, h.fullSize = -1, -1, -1
	h.compressed = true
	r.fields(func(id int16, kind byte) bool {
		switch {
		case kind == compactI32 && id == 1:
			h.kind = r.i32()
		case kind == compactI32 && id == 2:
			h.fullSize = int(r.i32())
		case kind == compactI32 && id == 3:
			h.size = int(r.i32())
		case kind == compactI32 && id == 4:
			h.crc, h.hasCRC = uint32(r.i32()), true
		case kind == compactStruct && id == 5:
			inner++
			h.readDataPage(&r)
		case kind == compactStruct && id == 7:
			inner++
			h.readDictionaryPage(&r)
		case kind == compactStruct && id == 8:
			inner++
			h.readDataPageV2(&r)
		default:
			return false
		}
		return true
	})
	if r.err != nil {
		return h, 0, r.err
	}
	if inner > 1 {
		return h, 0, fmt.Errorf("%w: a page of several kinds", errPage)
	}
	return h, len(b) - len(r.b), h.check()
}

func (h *pageHeader) check() error {
	if h.size < 0 || h.fullSize < 0 || h.size > maxPageBytes || h.fullSize > maxPageBytes {
		return fmt.Errorf("%w: %d bytes, and %d decompressed", errPage, h.size, h.fullSize)
	}
	if h.values < 0 || h.values > maxPageValues || h.nulls < 0 || h.nulls > h.values || h.rows < 0 || h.rows > h.values {
		return fmt.Errorf("%w: %d values, %d of them null, in %d rows", errPage, h.values, h.nulls, h.rows)
	}
	if h.repSize < 0 || h.defSize < 0 || h.repSize > h.size || h.defSize > h.size-h.repSize || h.repSize+h.defSize > h.fullSize {
		return fmt.Errorf("%w: %d and %d bytes of levels in %d", errPage, h.repSize, h.defSize, h.size)
	}
	return nil
}

func (h *pageHeader) readDataPage(r *thriftReader) {
	r.fields(func(id int16, kind byte) bool {
		if kind != compactI32 {
			return false
		}
		switch id {
		case 1:
			h.values = int(r.i32())
		case 2:
			h.encoding = Encoding(r.i32())
		case 3:
			h.defEnc = Encoding(r.i32())
		case 4:
			h.repEnc = Encoding(r.i32())
		default:
			return false
		}
		return true
	})
}

func (h *pageHeader) readDictionaryPage(r *thriftReader) {
	r.fields(func(id int16, kind byte) bool {
		switch {
		case kind == compactI32 && id == 1:
			h.values = int(r.i32())
		case kind == compactI32 && id == 2:
			h.encoding = Encoding(r.i32())
		default:
			return false
		}
		return true
	})
}

func (h *pageHeader) readDataPageV2(r *thriftReader) {
	r.fields(func(id int16, kind byte) bool {
		switch {
		case kind == compactI32 && id == 1:
			h.values = int(r.i32())
		case kind == compactI32 && id == 2:
			h.nulls = int(r.i32())
		case kind == compactI32 && id == 3:
			h.rows = int(r.i32())
		case kind == compactI32 && id == 4:
			h.encoding = Encoding(r.i32())
		case kind == compactI32 && id == 5:
			h.defSize = int(r.i32())
		case kind == compactI32 && id == 6:
			h.repSize = int(r.i32())
		case kind == compactFalse && id == 7:
			h.compressed = false
		case kind == compactTrue && id == 7:
			h.compressed = true
		default:
			return false
		}
		return true
	})
}
