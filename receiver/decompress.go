package receiver

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// decompressors work on bodies that are in memory as a whole, so a slow client
// occupies none of them, and as many as there are processors are enough. That
// also bounds their memory.
type decompressors struct {
	gzip   chan *gunzipper
	zstd   *zstd.Decoder
	window int // the largest zstd window that is accepted
}

type gunzipper struct {
	src bytes.Reader
	gzip.Reader
}

// minZstdWindow is what every decoder should support (RFC 8878 section 3.1.1.1.2).
const minZstdWindow = 8 << 20

func newDecompressors(maxBody int) (*decompressors, error) {
	// A frame in a single segment declares its whole content as its window. The
	// window costs nothing: it is the output itself.
	window := max(minZstdWindow, maxBody)
	z, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(0),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(uint64(window)),
		zstd.WithDecoderMaxMemory(uint64(window)), // bounds the window, too
		// what a frame claims to hold gets no memory that is not lent
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("make zstd decoder: %w", err)
	}
	d := &decompressors{gzip: make(chan *gunzipper, runtime.GOMAXPROCS(0)), zstd: z, window: window}
	for range cap(d.gzip) {
		d.gzip <- new(gunzipper)
	}
	return d, nil
}

// errCorrupt: the body is not what its Content-Encoding says.
func errCorrupt(format string, err error) *refusal {
	return errBadRequest(fmt.Errorf("decompress %s: %w", format, err))
}

// maxDeflateRatio: no deflate stream is more than this much larger than it was.
const maxDeflateRatio = 1032

// gunzip returns the contents of wire in a buffer of l. Every member must be
// whole, with the right checksum, and nothing may follow the last one.
func (d *decompressors) gunzip(ctx context.Context, l *loan, wire []byte, limit int) ([]byte, error) {
	// The last four bytes are the size modulo 2^32 of the last member, mostly
	// the only one. It is a guess, which may be a lie.
	guess := 0
	if len(wire) >= 4 {
		guess = int(binary.LittleEndian.Uint32(wire[len(wire)-4:]))
	}
	body, err := l.take(ctx, min(guess, maxDeflateRatio*len(wire), limit), true)
	if err != nil {
		return nil, err
	}
	z := <-d.gzip
	defer func() {
		z.src.Reset(nil)
		d.gzip <- z
	}()
	z.src.Reset(wire)
	if err = z.Reset(&z.src); err == nil {
		// Who holds a decompressor does not wait for those who wait for one.
		body, err = l.readAll(ctx, &z.Reader, body, limit, false)
	}
	if err == nil {
		return body, nil
	}
	if f, ok := errors.AsType[*refusal](err); ok {
		return nil, f
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // an empty body is not gzip
	}
	return nil, errCorrupt("gzip", err)
}
