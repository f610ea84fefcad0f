package receiver

import (
	"context"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// zstdBlock is the most that one block of a frame may regenerate (RFC 8878
// section 3.1.1.2.3).
const zstdBlock = 128 << 10

// zstdSlack lets the decoder notice that a body is too large after the block
// that made it so, before it has to make the output larger.
const zstdSlack = zstdBlock + zstdSpare

// zstdSpare lets it copy in whole words at the end.
const zstdSpare = 64

// unzstd returns the contents of wire in a buffer of l.
func (d *decompressors) unzstd(ctx context.Context, l *loan, wire []byte, limit int) ([]byte, error) {
	if len(wire) == 0 {
		return nil, errCorrupt("zstd", io.ErrUnexpectedEOF)
	}
	// The output is the decoder's history, so it costs no memory of its own.
	size := zstdContent(wire, limit) + zstdSpare
	if size > limit {
		size = limit + zstdSlack
	}
	body, err := l.take(ctx, size, true)
	if err != nil {
		return nil, err
	}
	out, err := d.zstd.DecodeAll(wire, body)
	switch {
	case err == nil && len(out) <= limit:
		return out, nil
	case err == nil, errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return nil, errTooLarge("body", limit)
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, errTooLarge("zstd window", d.window)
	}
	return nil, errCorrupt("zstd", err)
}

// zstdContent returns how many bytes the frames in p regenerate at most, from
// the headers of frames and blocks alone; it stops soon after enough. Where p
// is not zstd, what it returns is of no meaning.
func zstdContent(p []byte, enough int) (n int) {
	for len(p) > 0 && n <= enough {
		var h zstd.Header
		if h.Decode(p) != nil {
			return n
		}
		p = p[h.HeaderSize:]
		if h.Skippable {
			p = p[min(int64(h.SkippableSize), int64(len(p))):]
			continue
		}
		blocks, rest := zstdBlocks(p, enough)
		if h.HasFCS {
			blocks = int(min(uint64(blocks), h.FrameContentSize))
		}
		n += blocks
		p = rest
		if h.HasCheckSum {
			p = p[min(4, len(p)):]
		}
	}
	return n
}

// zstdBlocks does the same for the blocks of one frame, which p begins with.
func zstdBlocks(p []byte, enough int) (n int, rest []byte) {
	for len(p) >= 3 && n <= enough {
		head := int(p[0]) | int(p[1])<<8 | int(p[2])<<16
		last, kind, size := head&1 == 1, head>>1&3, head>>3
		p = p[3:]
		switch kind {
		case 0: // raw
			n += min(size, zstdBlock)
		case 1: // one byte, repeated
			n += min(size, zstdBlock)
			size = 1
		default: // compressed
			n += zstdBlock
		}
		p = p[min(size, len(p)):]
		if last {
			return n, p
		}
	}
	return n, nil
}
