package parquet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// readAhead is how many bytes are read at least, where the chunk has them.
const readAhead = 32 << 10

// Pages reads the pages of a chunk one after the other. It must not be used by
// several goroutines at a time, and holds no file open.
type Pages struct {
	decoder
	ctx     context.Context
	r       ReaderAt
	window  []byte                      // bytes of the file from off on
	memory  []byte                      // where the window is
	off     int64                       // of the next page
	began   int64                       // where the last page began
	kinds   map[PageEncodingStats]int32 // pages that were read, if somebody counts
	entries int64                       // of the pages before it
	rows    int64                       // that began in them
	end     int64                       // where the last page ends
	sought  bool                        // to one page, so that the entries before it are not known
	found   bool                        // the page that was sought
}

// Pages begins with the chunk's first page.
func (c *Chunk) Pages(ctx context.Context) *Pages {
	p := &Pages{}
	p.Reset(ctx, c)
	return p
}

// Reset begins with the first page of another chunk, in the memory that is
// there: a dictionary and values that were read before are gone.
func (p *Pages) Reset(ctx context.Context, c *Chunk) {
	spare := p.dict
	if spare == nil {
		spare = p.spare
	}
	*p = Pages{
		decoder: decoder{chunk: c, spare: spare, rep: p.rep, def: p.def, full: p.full, ints: p.ints, ids: p.ids},
		ctx:     ctx, r: c.file.r, memory: p.memory, off: c.start(), end: c.end(),
	}
}

// Release lets go of the chunk and its file, and keeps the memory. Reset is next.
func (p *Pages) Release() {
	p.chunk, p.ctx, p.r, p.window = nil, nil, nil, nil
}

// Held is how many bytes of memory they have, in use or not.
func (p *Pages) Held() int {
	return cap(p.memory) + cap(p.rep) + cap(p.def) + cap(p.full) + 8*cap(p.ints) + 4*cap(p.ids) + p.dict.Held() + p.spare.Held()
}

// Dictionary is that of the chunk, or nil if it has none. It is read with the
// first page, or by Chunk.Dictionary.
func (p *Pages) Dictionary() *Dictionary { return p.dict }

// Levels is Next without the values: only Entries, Rows, Rep and Def count.
func (p *Pages) Levels(dst *Values) error {
	p.levelsOnly = true
	defer func() { p.levelsOnly = false }()
	return p.Next(dst)
}

// NextValues is Next without the levels: Rep and Def stay as they are.
func (p *Pages) NextValues(dst *Values) error {
	p.valuesOnly = true
	defer func() { p.valuesOnly = false }()
	return p.Next(dst)
}

// Next appends the entries of the next data page to dst. After the last one it
// returns io.EOF, and ErrDamaged if the pages were not those of the chunk.
func (p *Pages) Next(dst *Values) error {
	for {
		if p.sought && p.off == p.end && p.found {
			return io.EOF
		}
		if !p.sought && p.entries == p.chunk.Entries() {
			return p.last()
		}
		h, body, err := p.read()
		if err != nil {
			return p.wrap(err)
		}
		switch h.Type {
		case DictionaryPage:
			err = p.dictionary(&h, body)
		case DataPage, DataPageV2:
			entries, rows := dst.Entries, dst.Rows
			if err := p.data(dst, &h, body); err != nil {
				return p.wrap(err)
			}
			p.found = true
			p.entries += int64(dst.Entries - entries)
			p.rows += int64(dst.Rows - rows)
			if !p.sought && p.entries > p.chunk.Entries() {
				return p.wrap(fmt.Errorf("%w: %d entries or more, not %d", errPage, p.entries, p.chunk.Entries()))
			}
			return nil
		}
		if err != nil {
			return p.wrap(err)
		}
	}
}

func (p *Pages) last() error {
	if p.rows != p.chunk.rows {
		return p.wrap(fmt.Errorf("%d rows, not %d", p.rows, p.chunk.rows))
	}
	if p.off != p.end {
		return p.wrap(fmt.Errorf("%d bytes after its last page", p.end-p.off))
	}
	return io.EOF
}

func (p *Pages) wrap(err error) error {
	return damaged(fmt.Sprintf("column %s, page before byte %d", p.chunk.Column.Path, p.off), err)
}

// read returns the next page. Its bytes are valid until the next call.
func (p *Pages) read() (h PageHeader, body []byte, err error) {
	if p.off >= p.end {
		return h, nil, fmt.Errorf("the chunk ends after %d of %d entries", p.entries, p.chunk.Entries())
	}
	var length int
	for need := 1; ; need = 2 * len(p.window) {
		if err := p.fill(need); err != nil {
			return h, nil, err
		}
		h, length, err = ReadPageHeader(p.window)
		if err == nil {
			break
		}
		// The statistics in a header may be long.
		if !errors.Is(err, errThriftShort) || int64(len(p.window)) == p.end-p.off {
			return h, nil, err
		}
	}
	size := length + int(h.CompressedSize)
	if int64(size) > p.end-p.off {
		return h, nil, fmt.Errorf("%w: %d bytes, where %d are left", errPage, size, p.end-p.off)
	}
	if err := p.fill(size); err != nil {
		return h, nil, err
	}
	p.began = p.off
	if p.kinds != nil {
		p.kinds[PageEncodingStats{PageType: h.Type, Encoding: h.encoding()}]++
	}
	body = p.window[length:size]
	p.window = p.window[size:]
	p.off += int64(size)
	return h, body, nil
}

// fill makes the window n bytes long, or as long as the chunk allows.
func (p *Pages) fill(n int) error {
	have := len(p.window)
	if have >= n {
		return nil
	}
	if got, ok := p.r.(*Fetched); ok {
		if b := got.bytes(p.off, p.end-p.off); b != nil {
			p.window = b
			return nil
		}
	}
	if p.sought {
		n = int(p.end - p.off)
	} else {
		n = int(min(int64(max(n, readAhead)), p.end-p.off))
	}
	if n <= have {
		return nil
	}
	if cap(p.memory) < n {
		p.memory = slices.Grow([]byte(nil), n)
	}
	memory := p.memory[:n]
	copy(memory, p.window)
	if err := readFull(p.ctx, p.r, memory[have:], p.off+int64(have)); err != nil {
		return err
	}
	p.window = memory
	return nil
}
