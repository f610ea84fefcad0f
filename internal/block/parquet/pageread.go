package parquet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

// decoder decodes the pages of a chunk. It holds what they need in common.
type decoder struct {
	chunk      *Chunk
	dict       *Dictionary
	spare      *Dictionary // whose memory may be used for dict
	levelsOnly bool
	valuesOnly bool
	rep, def   []uint8 // of a page, with valuesOnly
	full       []byte  // a decompressed page
	ints       []int64 // lengths
	ids        []uint32
}

// checksum holds the bytes of a page against its header.
func checksum(h *PageHeader, body []byte) error {
	if sum := crc32.ChecksumIEEE(body); h.HasCRC && sum != h.CRC {
		return fmt.Errorf("%w: its %d bytes have checksum %08x, not %08x", errPage, len(body), sum, h.CRC)
	}
	return nil
}

// expand returns size bytes of which body is the compressed form: body itself,
// or in buf if they fit.
func (d *decoder) expand(buf, body []byte, size int) ([]byte, error) {
	codec := d.chunk.meta.MetaData.Codec
	if codec == Uncompressed {
		if len(body) != size {
			return nil, fmt.Errorf("%w: %d bytes, not %d", errPage, len(body), size)
		}
		return body, nil
	}
	return d.chunk.file.decompress(buf, body, codec, size)
}

// expandPage is expand of a page, into memory that is used for the next one.
func (d *decoder) expandPage(body []byte, size int) ([]byte, error) {
	full, err := d.expand(d.full, body, size)
	if err == nil && d.chunk.meta.MetaData.Codec != Uncompressed {
		d.full = full
	}
	return full, err
}

// dictionary decodes a dictionary page. Its bytes are not kept.
func (d *decoder) dictionary(h *PageHeader, body []byte) error {
	if d.dict != nil {
		return fmt.Errorf("%w: a second dictionary", errPage)
	}
	if h.Dictionary.Encoding != Plain && h.Dictionary.Encoding != PlainDictionary {
		return fmt.Errorf("%w: a dictionary of encoding %d", ErrUnsupported, h.Dictionary.Encoding)
	}
	if err := checksum(h, body); err != nil {
		return err
	}
	dict, size := d.spare, int(h.UncompressedSize)
	switch {
	case dict == nil:
		dict = &Dictionary{}
	case cap(dict.data) < size && size/64 <= len(body): // as decompressing may make of it
		dict.data = slices.Grow(dict.data[:0], size+size/16) // for the next one
	}
	full, err := d.expand(dict.data, body, size)
	if err != nil {
		return err
	}
	n := int(h.Dictionary.NumValues)
	switch d.chunk.Column.Type {
	case ByteArray:
		if d.chunk.meta.MetaData.Codec == Uncompressed {
			full = append(dict.data[:0], full...)
		}
		err = dict.setText(full, n)
	case Int32:
		dict.ints, err = plainInt32(dict.ints[:0], full, n)
	case Int64:
		dict.ints, err = plainInt64(dict.ints[:0], full, n)
	default:
		err = fmt.Errorf("%w: a dictionary of type %d", ErrUnsupported, d.chunk.Column.Type)
	}
	if err != nil {
		return err
	}
	d.dict, d.spare = dict, nil
	return nil
}

// data appends the entries of a data page. After an error dst is as before.
func (d *decoder) data(dst *Values, h *PageHeader, body []byte) error {
	if err := checksum(h, body); err != nil {
		return err
	}
	mark := *dst
	err := d.page(dst, h, body)
	if err != nil {
		dst.truncate(&mark)
	}
	return err
}

func (d *decoder) page(dst *Values, h *PageHeader, body []byte) error {
	if h.Type == DataPage {
		return d.pageV1(dst, h, body)
	}
	column, v2 := d.chunk.Column, &h.V2
	n, rep, def := int(v2.NumValues), int(v2.RepetitionLength), int(v2.DefinitionLength)
	rows, values, err := d.levels(dst, body[:rep], body[rep:rep+def], n)
	if err != nil {
		return err
	}
	if rows != int(v2.NumRows) || n-values != int(v2.NumNulls) {
		return fmt.Errorf("%w: %d rows and %d nulls, not %d and %d", errPage, rows, n-values, v2.NumRows, v2.NumNulls)
	}
	first := dst.Rep
	if d.valuesOnly {
		first = d.rep
	}
	if column.MaxRep > 0 && n > 0 && first[len(first)-n] != 0 {
		return fmt.Errorf("%w: it begins within a row", errPage)
	}
	body, size := body[rep+def:], int(h.UncompressedSize)-rep-def
	if d.levelsOnly {
		return nil
	} else if v2.Uncompressed {
		if len(body) != size {
			return fmt.Errorf("%w: %d bytes of values, not %d", errPage, len(body), size)
		}
	} else if body, err = d.expandPage(body, size); err != nil {
		return err
	}
	return d.values(dst, v2.Encoding, body, values)
}

// pageV1 reads a page of the first version, where levels and values are
// compressed together.
func (d *decoder) pageV1(dst *Values, h *PageHeader, body []byte) error {
	body, err := d.expandPage(body, int(h.UncompressedSize))
	if err != nil {
		return err
	}
	var sections [2][]byte
	for i, maxLevel := range [2]uint8{d.chunk.Column.MaxRep, d.chunk.Column.MaxDef} {
		if maxLevel == 0 {
			continue
		}
		if encoding := [2]Encoding{h.V1.RepetitionEncoding, h.V1.DefinitionEncoding}[i]; encoding != RLE {
			return fmt.Errorf("%w: levels of encoding %d", ErrUnsupported, encoding)
		}
		if len(body) < 4 || uint64(binary.LittleEndian.Uint32(body)) > uint64(len(body)-4) {
			return fmt.Errorf("%w: no levels in %d bytes", errPage, len(body))
		}
		end := 4 + int(binary.LittleEndian.Uint32(body))
		sections[i], body = body[4:end], body[end:]
	}
	_, values, err := d.levels(dst, sections[0], sections[1], int(h.V1.NumValues))
	if err != nil {
		return err
	}
	return d.values(dst, h.V1.Encoding, body, values)
}

// levels appends those of n entries, and counts the rows that begin in them and
// their values.
func (d *decoder) levels(dst *Values, rep, def []byte, n int) (rows, values int, err error) {
	column := d.chunk.Column
	rows, values = n, n
	reps, defs := &dst.Rep, &dst.Def
	if d.valuesOnly {
		d.rep, d.def = d.rep[:0], d.def[:0]
		reps, defs = &d.rep, &d.def
	}
	if column.MaxRep > 0 {
		at := len(*reps)
		if *reps, err = readLevels(slices.Grow(*reps, n), rep, column.MaxRep, n); err != nil {
			return 0, 0, fmt.Errorf("repetition levels: %w", err)
		}
		rows = bytes.Count((*reps)[at:], []byte{0})
	}
	if column.MaxDef > 0 {
		at := len(*defs)
		if *defs, err = readLevels(slices.Grow(*defs, n), def, column.MaxDef, n); err != nil {
			return 0, 0, fmt.Errorf("definition levels: %w", err)
		}
		values = bytes.Count((*defs)[at:], []byte{column.MaxDef})
	}
	dst.Entries += n
	dst.Rows += rows
	return rows, values, nil
}

// values appends the n values of a page, to the slice that is meant for them.
func (d *decoder) values(dst *Values, encoding Encoding, body []byte, n int) (err error) {
	column := d.chunk.Column
	if d.levelsOnly {
		return nil
	}
	if encoding == RLEDictionary || encoding == PlainDictionary {
		return d.places(dst, body, n)
	}
	if d.chunk.HasDictionary() && column.Type == ByteArray {
		return fmt.Errorf("%w: encoding %d in a chunk with a dictionary", ErrUnsupported, encoding)
	}
	switch {
	case column.Type == Boolean && encoding == Plain:
		dst.Bools, err = plainBool(dst.Bools, body, n)
	case column.Type == Boolean && encoding == RLE:
		dst.Bools, err = runsBool(dst.Bools, body, n)
	case column.Type == Int32 && encoding == Plain:
		dst.Ints, err = plainInt32(dst.Ints, body, n)
	case column.Type == Int64 && encoding == Plain:
		dst.Ints, err = plainInt64(dst.Ints, body, n)
	case (column.Type == Int32 || column.Type == Int64) && encoding == DeltaBinaryPacked:
		dst.Ints, _, err = deltaInts(dst.Ints, body, n, column.Type == Int32)
	case column.Type == Double && encoding == Plain:
		dst.Doubles, err = plainDouble(dst.Doubles, body, n)
	case column.Type == ByteArray && encoding == Plain:
		err = plainBytes(&dst.Bytes, body, n)
	case column.Type == ByteArray && encoding == DeltaLengthByteArray:
		err = deltaLength(&dst.Bytes, &d.ints, body, n)
	case column.Type == ByteArray && encoding == DeltaByteArray:
		err = deltaStrings(&dst.Bytes, &d.ints, body, n, maxPageBytes)
	case column.Type == FixedLenByteArray && encoding == Plain:
		err = plainFixed(&dst.Bytes, body, column.Width, n)
	default:
		err = fmt.Errorf("%w: type %d in encoding %d", ErrUnsupported, column.Type, encoding)
	}
	return err
}

// places appends the values of a page that are places in the dictionary.
func (d *decoder) places(dst *Values, body []byte, n int) (err error) {
	if d.dict == nil {
		return fmt.Errorf("%w: it needs a dictionary that is not there", errPage)
	}
	if len(body) == 0 {
		if n > 0 {
			return shortValues("places in a dictionary", n, body)
		}
		return nil
	}
	width, body := uint(body[0]), body[1:]
	if column := d.chunk.Column.Type; column == ByteArray {
		dst.IDs, err = readIDs(dst.IDs, body, width, d.dict.Len(), n)
		return err
	}
	if d.ids, err = readIDs(d.ids[:0], body, width, d.dict.Len(), n); err != nil {
		return err
	}
	for _, id := range d.ids {
		dst.Ints = append(dst.Ints, d.dict.ints[id])
	}
	return nil
}
