package parquet

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// smallPage is the most bytes that are put into a frame as they are: the levels
// of a page of nulls, for instance. The encoder would gain little on them, and
// takes a microsecond for each of some sixty such pages.
const smallPage = 48

const zstdWindow = 1 << 20

// Compressor makes zstd frames. It is not safe for concurrent use.
type Compressor struct{ enc *zstd.Encoder }

// NewCompressor makes a Compressor that works at a level of zstd, 1 to 22.
func NewCompressor(level int) (*Compressor, error) {
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(zstdWindow), zstd.WithSingleSegment(true), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("make a zstd encoder of level %d: %w", level, err)
	}
	return &Compressor{enc}, nil
}

// append appends the frame of src.
func (c *Compressor) append(dst, src []byte) []byte {
	if len(src) <= smallPage {
		return appendRawFrame(dst, src)
	}
	return c.enc.EncodeAll(src, dst)
}

// appendRawFrame appends a zstd frame of one block that is not compressed, of
// less than 256 bytes.
func appendRawFrame(dst, src []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, 0xfd2fb528)
	dst = append(dst, 0x20, byte(len(src))) // one segment, its size in a byte
	header := uint32(len(src))<<3 | 1       // the last block, raw
	dst = append(dst, byte(header), byte(header>>8), byte(header>>16))
	return append(dst, src...)
}
