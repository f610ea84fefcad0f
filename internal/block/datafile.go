package block

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"appliance/internal/block/parquet"
	"appliance/internal/durable"
)

// dataFile writes data.parquet, a row group at a time.
type dataFile struct {
	file    durable.File
	name    string
	size    int64
	footer  parquet.FileMetaData
	indexes [][]byte // of columns, encoded: all of a row group, and its offset indexes
	offsets [][]byte
	lengths []indexLengths // of each chunk
}

// indexLengths are those of a chunk's two indexes, in bytes.
type indexLengths struct{ column, offset int32 }

const createdBy = "appliance"

// newDataFile begins a file.
func newDataFile(file durable.File, name string, s *Schema) (*dataFile, error) {
	d := &dataFile{file: file, name: name}
	d.footer = parquet.FileMetaData{Version: 2, Schema: s.Elements, CreatedBy: createdBy, ColumnOrders: len(s.Columns)}
	return d, d.write([][]byte{[]byte(parquet.Magic)})
}

func (d *dataFile) write(bufs [][]byte) error {
	var n int64
	for _, b := range bufs {
		n += int64(len(b))
	}
	if err := d.file.WritevAt(bufs, d.size); err != nil {
		return fmt.Errorf("write %d bytes to %s: %w", n, d.name, err)
	}
	d.size += n
	return nil
}

// rowGroup writes the pages that the columns have as a row group.
func (d *dataFile) rowGroup(c *columns, rows int64) error {
	g := parquet.RowGroup{NumRows: rows, FileOffset: d.size, Ordinal: int16(len(d.footer.RowGroups))}
	var bufs [][]byte
	var index, offsets []byte
	at := d.size
	for _, b := range c.all {
		if b.dict != nil {
			b.writer.SetDictionary(b.dict.page, b.dict.len())
		}
		var meta parquet.ColumnMetaData
		var columnIndex *parquet.ColumnIndex
		var locations []parquet.PageLocation
		bufs, meta, columnIndex, locations = b.writer.Finish(bufs, at)
		at += meta.TotalCompressedSize
		meta.Statistics.Min, meta.Statistics.Max = bytes.Clone(meta.Statistics.Min), bytes.Clone(meta.Statistics.Max)
		g.Columns = append(g.Columns, parquet.ColumnChunk{MetaData: meta})
		g.TotalByteSize += meta.TotalUncompressedSize
		g.TotalCompressedSize += meta.TotalCompressedSize
		before := indexLengths{int32(len(index)), int32(len(offsets))}
		index = parquet.AppendColumnIndex(index, columnIndex)
		offsets = parquet.AppendOffsetIndex(offsets, &parquet.OffsetIndex{Pages: locations})
		d.lengths = append(d.lengths, indexLengths{int32(len(index)) - before.column, int32(len(offsets)) - before.offset})
	}
	d.footer.RowGroups = append(d.footer.RowGroups, g)
	d.footer.NumRows += rows
	d.indexes, d.offsets = append(d.indexes, index), append(d.offsets, offsets)
	return d.write(bufs)
}

// finish writes the indexes and the footer, and returns the footer's length in
// bytes. What is in the file is then synced.
func (d *dataFile) finish() (footer int64, err error) {
	column := d.size
	if err := d.write(d.indexes); err != nil {
		return 0, err
	}
	offset := d.size
	if err := d.write(d.offsets); err != nil {
		return 0, err
	}
	lengths := d.lengths
	for i := range d.footer.RowGroups {
		chunks := d.footer.RowGroups[i].Columns
		for j := range chunks {
			n := lengths[0]
			lengths = lengths[1:]
			chunks[j].ColumnIndexOffset, chunks[j].ColumnIndexLength = column, n.column
			chunks[j].OffsetIndexOffset, chunks[j].OffsetIndexLength = offset, n.offset
			column += int64(n.column)
			offset += int64(n.offset)
		}
	}
	text := parquet.AppendFileMetaData(nil, &d.footer)
	end := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
	if err := d.write([][]byte{text, append(end, parquet.Magic...)}); err != nil {
		return 0, err
	}
	if err := d.file.Sync(); err != nil {
		return 0, fmt.Errorf("sync %s: %w", d.name, err)
	}
	return int64(len(text)), nil
}
