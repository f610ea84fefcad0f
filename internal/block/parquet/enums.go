package parquet

// Type is a physical type, as parquet.thrift numbers them.
type Type int32

// The physical types.
const (
	Boolean           Type = 0
	Int32             Type = 1
	Int64             Type = 2
	Int96             Type = 3
	Float             Type = 4
	Double            Type = 5
	ByteArray         Type = 6
	FixedLenByteArray Type = 7
)

// Repetition says how often a field occurs in its parent.
type Repetition int32

// The kinds of repetition.
const (
	Required Repetition = 0
	Optional Repetition = 1
	Repeated Repetition = 2
)

// Encoding is how the values or levels of a page are written.
type Encoding int32

// The encodings of the format.
const (
	Plain                Encoding = 0
	PlainDictionary      Encoding = 2 // deprecated, in old files
	RLE                  Encoding = 3
	BitPacked            Encoding = 4 // deprecated, in old files
	DeltaBinaryPacked    Encoding = 5
	DeltaLengthByteArray Encoding = 6
	DeltaByteArray       Encoding = 7
	RLEDictionary        Encoding = 8
	ByteStreamSplit      Encoding = 9
)

// Codec is how the pages of a column chunk are compressed.
type Codec int32

// The codecs of the format.
const (
	Uncompressed Codec = 0
	Snappy       Codec = 1
	Gzip         Codec = 2
	LZO          Codec = 3
	Brotli       Codec = 4
	LZ4          Codec = 5
	Zstd         Codec = 6
	LZ4Raw       Codec = 7
)

// PageType tells the kinds of pages apart.
type PageType int32

// The kinds of pages.
const (
	DataPage       PageType = 0
	IndexPage      PageType = 1
	DictionaryPage PageType = 2
	DataPageV2     PageType = 3
)

// ConvertedType is the older form of a logical type. -1 is none, since 0 is
// one of them.
type ConvertedType int32

// The converted types that blocks have.
const (
	NoConvertedType ConvertedType = -1
	ConvertedUTF8   ConvertedType = 0
	ConvertedMap    ConvertedType = 1
	ConvertedList   ConvertedType = 3
	ConvertedUint32 ConvertedType = 13
	ConvertedUint64 ConvertedType = 14
	ConvertedInt32  ConvertedType = 17
	ConvertedInt64  ConvertedType = 18
)

// LogicalKind is which member of the LogicalType union is set.
type LogicalKind uint8

// The logical types by their field numbers in parquet.thrift, as far as blocks
// have them. Others are kept as their number.
const (
	NoLogicalType  LogicalKind = 0
	LogicalString  LogicalKind = 1
	LogicalMap     LogicalKind = 2
	LogicalList    LogicalKind = 3
	LogicalInteger LogicalKind = 10
)

// BoundaryOrder says how the bounds in a column index are sorted.
type BoundaryOrder int32

// The orders of bounds.
const (
	Unordered  BoundaryOrder = 0
	Ascending  BoundaryOrder = 1
	Descending BoundaryOrder = 2
)
