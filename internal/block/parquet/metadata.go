package parquet

// Magic begins and ends a file.
const Magic = "PAR1"

// FileMetaData is the footer of a file.
type FileMetaData struct {
	Version      int32
	Schema       []SchemaElement // depth first, the root first
	NumRows      int64
	RowGroups    []RowGroup
	KeyValues    []KeyValue
	CreatedBy    string
	ColumnOrders int // how many of the leaves are declared to be in the order of their type
}

// KeyValue is an entry of the file's own metadata.
type KeyValue struct{ Key, Value string }

// SchemaElement is a node of the schema. A group has NumChildren and no Type.
type SchemaElement struct {
	Name          string
	Leaf          bool // Type counts
	Type          Type
	TypeLength    int32 // of a FixedLenByteArray in bytes, elsewhere without a meaning; 0 is absent
	HasRepetition bool  // false for the root alone
	Repetition    Repetition
	NumChildren   int32
	Converted     ConvertedType
	Logical       LogicalType
}

// LogicalType is the newer form of a logical type.
type LogicalType struct {
	Kind     LogicalKind
	BitWidth int8 // of an integer
	Signed   bool // of an integer
}

// RowGroup is a run of rows, with a chunk for each leaf of the schema.
type RowGroup struct {
	Columns             []ColumnChunk
	TotalByteSize       int64 // of all pages, uncompressed, with their headers
	NumRows             int64
	FileOffset          int64 // of the first page
	TotalCompressedSize int64 // of all pages, with their headers
	Ordinal             int16
}

// ColumnChunk is one column of one row group. An index of length 0 is absent.
type ColumnChunk struct {
	FileOffset        int64
	MetaData          ColumnMetaData
	OffsetIndexOffset int64
	OffsetIndexLength int32
	ColumnIndexOffset int64
	ColumnIndexLength int32
}

// ColumnMetaData describes the pages of a column chunk.
type ColumnMetaData struct {
	Type                  Type
	Encodings             []Encoding
	Path                  []string
	Codec                 Codec
	NumValues             int64 // with nulls
	TotalUncompressedSize int64 // with page headers
	TotalCompressedSize   int64 // with page headers
	DataPageOffset        int64 // of the first data page
	DictionaryPageOffset  int64 // 0 is absent
	Statistics            Statistics
	EncodingStats         []PageEncodingStats
}

// Start is where the first page of the chunk begins.
func (c *ColumnMetaData) Start() int64 {
	if c.DictionaryPageOffset > 0 && c.DictionaryPageOffset < c.DataPageOffset {
		return c.DictionaryPageOffset
	}
	return c.DataPageOffset
}

// Statistics bounds the values of a chunk or page. A nil bound is absent, an
// empty one is the empty string.
type Statistics struct {
	HasNullCount bool
	NullCount    int64
	Max, Min     []byte // max_value and min_value, in the PLAIN encoding without a length
}

// PageEncodingStats counts the pages of a chunk by type and encoding.
type PageEncodingStats struct {
	PageType PageType
	Encoding Encoding
	Count    int32
}

// PageHeader comes before each page. Of V1, V2 and Dictionary the one that goes
// with Type counts.
type PageHeader struct {
	Type             PageType
	UncompressedSize int32 // of the body
	CompressedSize   int32 // of the body, as it is in the file
	HasCRC           bool
	CRC              uint32 // IEEE, of the body as it is in the file
	V1               DataPageHeader
	Dictionary       DictionaryPageHeader
	V2               DataPageHeaderV2
}

// DataPageHeader is of the first version of data pages: levels and values are
// compressed together, and levels have a length of four bytes before them.
type DataPageHeader struct {
	NumValues          int32 // with nulls
	Encoding           Encoding
	DefinitionEncoding Encoding
	RepetitionEncoding Encoding
	Statistics         Statistics
}

// DictionaryPageHeader is of the page with a chunk's distinct values.
type DictionaryPageHeader struct {
	NumValues int32
	Encoding  Encoding
	Sorted    bool
}

// DataPageHeaderV2 is of the second version of data pages: levels are never
// compressed, and begin the page, repetition levels first.
type DataPageHeaderV2 struct {
	NumValues        int32 // with nulls
	NumNulls         int32
	NumRows          int32
	Encoding         Encoding
	DefinitionLength int32 // bytes
	RepetitionLength int32 // bytes
	Uncompressed     bool  // is_compressed is there and false
	Statistics       Statistics
}

// ColumnIndex bounds the values of each page of a chunk. For a page of nulls
// both bounds are empty and count for nothing.
type ColumnIndex struct {
	NullPages  []bool
	Min, Max   [][]byte
	Order      BoundaryOrder
	NullCounts []int64 // nil is absent
}

// OffsetIndex says where the data pages of a chunk are.
type OffsetIndex struct {
	Pages []PageLocation
}

// PageLocation is of one data page.
type PageLocation struct {
	Offset         int64 // of the page's header
	CompressedSize int32 // with the header
	FirstRow       int64 // in the row group
}
