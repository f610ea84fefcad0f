package parquet

// AppendFileMetaData appends the footer, without the length and the magic that
// follow it in a file.
func AppendFileMetaData(dst []byte, m *FileMetaData) []byte {
	w := newThriftWriter(dst)
	w.i32(1, m.Version)
	w.list(2, thriftStruct, len(m.Schema))
	for i := range m.Schema {
		w.schemaElement(&m.Schema[i])
	}
	w.i64(3, m.NumRows)
	w.list(4, thriftStruct, len(m.RowGroups))
	for i := range m.RowGroups {
		w.rowGroup(&m.RowGroups[i])
	}
	if len(m.KeyValues) > 0 {
		w.list(5, thriftStruct, len(m.KeyValues))
		for _, kv := range m.KeyValues {
			w.begin()
			w.string(1, kv.Key)
			w.string(2, kv.Value)
			w.end()
		}
	}
	if m.CreatedBy != "" {
		w.string(6, m.CreatedBy)
	}
	if m.ColumnOrders > 0 {
		w.list(7, thriftStruct, m.ColumnOrders)
		for range m.ColumnOrders {
			w.begin()
			w.empty(1) // TypeDefinedOrder
			w.end()
		}
	}
	w.end()
	return w.b
}

func (w *thriftWriter) schemaElement(e *SchemaElement) {
	w.begin()
	if e.Leaf {
		w.i32(1, int32(e.Type))
	}
	if e.TypeLength > 0 {
		w.i32(2, e.TypeLength)
	}
	if e.HasRepetition {
		w.i32(3, int32(e.Repetition))
	}
	w.string(4, e.Name)
	if !e.Leaf {
		w.i32(5, e.NumChildren)
	}
	if e.Converted != NoConvertedType {
		w.i32(6, int32(e.Converted))
	}
	if e.Logical.Kind != NoLogicalType {
		w.beginField(10)
		w.beginField(int16(e.Logical.Kind))
		if e.Logical.Kind == LogicalInteger {
			w.byte(1, e.Logical.BitWidth)
			w.bool(2, e.Logical.Signed)
		}
		w.end()
		w.end()
	}
	w.end()
}

func (w *thriftWriter) rowGroup(g *RowGroup) {
	w.begin()
	w.list(1, thriftStruct, len(g.Columns))
	for i := range g.Columns {
		w.columnChunk(&g.Columns[i])
	}
	w.i64(2, g.TotalByteSize)
	w.i64(3, g.NumRows)
	w.i64(5, g.FileOffset)
	w.i64(6, g.TotalCompressedSize)
	w.i16(7, g.Ordinal)
	w.end()
}

func (w *thriftWriter) columnChunk(c *ColumnChunk) {
	w.begin()
	w.i64(2, c.FileOffset)
	w.beginField(3)
	w.columnMetaData(&c.MetaData)
	w.end()
	if c.OffsetIndexLength > 0 {
		w.i64(4, c.OffsetIndexOffset)
		w.i32(5, c.OffsetIndexLength)
	}
	if c.ColumnIndexLength > 0 {
		w.i64(6, c.ColumnIndexOffset)
		w.i32(7, c.ColumnIndexLength)
	}
	w.end()
}

func (w *thriftWriter) columnMetaData(m *ColumnMetaData) {
	w.i32(1, int32(m.Type))
	w.list(2, thriftI32, len(m.Encodings))
	for _, e := range m.Encodings {
		w.elementInt(int64(e))
	}
	w.list(3, thriftBinary, len(m.Path))
	for _, p := range m.Path {
		w.elementString(p)
	}
	w.i32(4, int32(m.Codec))
	w.i64(5, m.NumValues)
	w.i64(6, m.TotalUncompressedSize)
	w.i64(7, m.TotalCompressedSize)
	w.i64(9, m.DataPageOffset)
	if m.DictionaryPageOffset > 0 {
		w.i64(11, m.DictionaryPageOffset)
	}
	w.statistics(12, &m.Statistics)
	if len(m.EncodingStats) > 0 {
		w.list(13, thriftStruct, len(m.EncodingStats))
		for _, s := range m.EncodingStats {
			w.begin()
			w.i32(1, int32(s.PageType))
			w.i32(2, int32(s.Encoding))
			w.i32(3, s.Count)
			w.end()
		}
	}
}

func (w *thriftWriter) statistics(number int16, s *Statistics) {
	if !s.HasNullCount && s.Max == nil && s.Min == nil {
		return
	}
	w.beginField(number)
	if s.HasNullCount {
		w.i64(3, s.NullCount)
	}
	if s.Max != nil {
		w.binary(5, s.Max)
	}
	if s.Min != nil {
		w.binary(6, s.Min)
	}
	w.end()
}

// AppendPageHeader appends the header of a page.
func AppendPageHeader(dst []byte, h *PageHeader) []byte {
	w := newThriftWriter(dst)
	w.i32(1, int32(h.Type))
	w.i32(2, h.UncompressedSize)
	w.i32(3, h.CompressedSize)
	if h.HasCRC {
		w.i32(4, int32(h.CRC))
	}
	switch h.Type {
	case DataPage:
		w.beginField(5)
		w.i32(1, h.V1.NumValues)
		w.i32(2, int32(h.V1.Encoding))
		w.i32(3, int32(h.V1.DefinitionEncoding))
		w.i32(4, int32(h.V1.RepetitionEncoding))
		w.statistics(5, &h.V1.Statistics)
		w.end()
	case DictionaryPage:
		w.beginField(7)
		w.i32(1, h.Dictionary.NumValues)
		w.i32(2, int32(h.Dictionary.Encoding))
		w.bool(3, h.Dictionary.Sorted)
		w.end()
	case DataPageV2:
		w.beginField(8)
		w.i32(1, h.V2.NumValues)
		w.i32(2, h.V2.NumNulls)
		w.i32(3, h.V2.NumRows)
		w.i32(4, int32(h.V2.Encoding))
		w.i32(5, h.V2.DefinitionLength)
		w.i32(6, h.V2.RepetitionLength)
		w.bool(7, !h.V2.Uncompressed)
		w.statistics(8, &h.V2.Statistics)
		w.end()
	}
	w.end()
	return w.b
}

// AppendColumnIndex appends the column index of a chunk.
func AppendColumnIndex(dst []byte, x *ColumnIndex) []byte {
	w := newThriftWriter(dst)
	// False is 0 here, where thrift's own libraries write 2: readers compare
	// either with 1 or, as Tempo's does, with 0.
	w.list(1, thriftFalse, len(x.NullPages))
	for _, null := range x.NullPages {
		if null {
			w.b = append(w.b, 1)
		} else {
			w.b = append(w.b, 0)
		}
	}
	w.list(2, thriftBinary, len(x.Min))
	for _, v := range x.Min {
		w.element(v)
	}
	w.list(3, thriftBinary, len(x.Max))
	for _, v := range x.Max {
		w.element(v)
	}
	w.i32(4, int32(x.Order))
	if x.NullCounts != nil {
		w.list(5, thriftI64, len(x.NullCounts))
		for _, n := range x.NullCounts {
			w.elementInt(n)
		}
	}
	w.end()
	return w.b
}

// AppendOffsetIndex appends the offset index of a chunk.
func AppendOffsetIndex(dst []byte, x *OffsetIndex) []byte {
	w := newThriftWriter(dst)
	w.list(1, thriftStruct, len(x.Pages))
	for _, p := range x.Pages {
		w.begin()
		w.i64(1, p.Offset)
		w.i32(2, p.CompressedSize)
		w.i64(3, p.FirstRow)
		w.end()
	}
	w.end()
	return w.b
}
