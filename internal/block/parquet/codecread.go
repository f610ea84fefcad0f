package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// errCodec says that compressed bytes are not what their codec makes.
var errCodec = errors.New("compressed bytes of a page are damaged")

// newZstd makes the decoder of a file when its first page needs it. It may be
// used by several readers at once.
func newZstd() func() (*zstd.Decoder, error) {
	return sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxPageBytes))
	})
}

// decompress returns size bytes, in buf if they fit. Damage that makes them
// more or fewer is an error.
func (f *File) decompress(buf, src []byte, codec Codec, size int) ([]byte, error) {
	var out []byte
	var err error
	switch codec {
	case Uncompressed:
		out = src
	case Snappy:
		var n int
		// Three bytes make at most 64.
		if n, err = snappy.DecodedLen(src); err == nil && (n != size || size/64 > len(src)) {
			return buf, fmt.Errorf("%w: %d bytes of %d, not %d", errCodec, n, len(src), size)
		} else if err == nil {
			out, err = snappy.Decode(slices.Grow(buf[:0], size)[:size], src)
		}
	case Zstd:
		var d *zstd.Decoder
		if d, err = f.zstd(); err == nil {
			out, err = decodeZstd(d, buf, src, size)
		}
	case Gzip:
		out, err = gunzip(buf, src, size)
	default:
		return buf, fmt.Errorf("%w: codec %d is not supported", ErrUnsupported, codec)
	}
	if err != nil {
		return buf, fmt.Errorf("%w: %w", errCodec, err)
	}
	if len(out) != size {
		return buf, fmt.Errorf("%w: %d bytes, not %d", errCodec, len(out), size)
	}
	return out, nil
}

// decodeZstd refuses a frame that says it is larger before anything is allocated.
func decodeZstd(d *zstd.Decoder, buf, src []byte, size int) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return nil, err
	}
	if h.HasFCS && h.FrameContentSize > uint64(size) {
		return nil, fmt.Errorf("a frame of %d bytes, not %d", h.FrameContentSize, size)
	}
	return d.DecodeAll(src, slices.Grow(buf[:0], size))
}

func gunzip(buf, src []byte, size int) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(src))
	if err != nil {
		return nil, err
	}
	out := bytes.NewBuffer(buf[:0])
	// One byte more than there should be, to see that there are more.
	_, err = io.Copy(out, io.LimitReader(z, int64(size)+1))
	return out.Bytes(), err
}
