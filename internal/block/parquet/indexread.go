package parquet

import "fmt"

// ReadColumnIndex reads the column index of a chunk. Its bounds are parts of b.
func ReadColumnIndex(b []byte) (*ColumnIndex, error) {
	x := &ColumnIndex{}
	d := metadataReader{thriftReader: thriftReader{b: b}}
	d.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftList:
			// Writers say true or false as the type of the elements.
			n, _ := d.listHeader()
			for i := 0; i < n && d.err == nil; i++ {
				x.NullPages = append(x.NullPages, d.byte() == thriftTrue)
			}
		case id == 2 && kind == thriftList:
			x.Min = listOf(&d, thriftBinary, x.Min, d.binary)
		case id == 3 && kind == thriftList:
			x.Max = listOf(&d, thriftBinary, x.Max, d.binary)
		case id == 4 && kind == thriftI32:
			x.Order = BoundaryOrder(d.i32())
		case id == 5 && kind == thriftList:
			x.NullCounts = listOf(&d, thriftI64, x.NullCounts, d.i64)
		default:
			return false
		}
		return true
	})
	if d.err != nil {
		return nil, fmt.Errorf("%w: a column index of %d bytes: %w", errMetadata, len(b), d.err)
	}
	n := len(x.NullPages)
	if len(x.Min) != n || len(x.Max) != n || x.NullCounts != nil && len(x.NullCounts) != n {
		return nil, fmt.Errorf("%w: a column index of %d pages with %d and %d bounds", errMetadata, n, len(x.Min), len(x.Max))
	}
	return x, nil
}

// ReadOffsetIndex reads the offset index of a chunk.
func ReadOffsetIndex(b []byte) (*OffsetIndex, error) {
	x := &OffsetIndex{}
	d := metadataReader{thriftReader: thriftReader{b: b}}
	d.fields(func(id int16, kind byte) bool {
		if id != 1 || kind != thriftList {
			return false
		}
		x.Pages = listOf(&d, thriftStruct, x.Pages, d.pageLocation)
		return true
	})
	if d.err != nil {
		return nil, fmt.Errorf("%w: an offset index of %d bytes: %w", errMetadata, len(b), d.err)
	}
	return x, nil
}

func (d *metadataReader) pageLocation() (p PageLocation) {
	d.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI64:
			p.Offset = d.i64()
		case id == 2 && kind == thriftI32:
			p.CompressedSize = d.i32()
		case id == 3 && kind == thriftI64:
			p.FirstRow = d.i64()
		default:
			return false
		}
		return true
	})
	return p
}
