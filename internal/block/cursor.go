package block

import (
	"context"
	"errors"
	"fmt"
	"io"

	"appliance/internal/block/parquet"
)

// errApart says that two columns are not of the same rows.
var errApart = fmt.Errorf("%w: columns are not of the same spans", ErrDamaged)

// cursor reads the entries of a column one by one. The zero cursor is of a
// column that holds nothing.
type cursor struct {
	pages  *parquet.Pages // nil: there are only nulls
	memory *parquet.Pages // of an earlier chunk
	dict   *parquet.Dictionary
	v      parquet.Values // a page
	entry  int            // the next of v
	value  int            // the next of v
	rows   int            // that the page must have, or 0 if that is not known
	maxRep uint8
	maxDef uint8
	sealed bool // v is all that may be read
}

func (c *cursor) start(ctx context.Context, chunk *parquet.Chunk) {
	if c.memory == nil {
		c.memory = &parquet.Pages{}
	}
	c.memory.Reset(ctx, chunk)
	c.pages = c.memory
	c.maxRep, c.maxDef = chunk.Column.MaxRep, chunk.Column.MaxDef
	c.reset()
}

func (c *cursor) reset() {
	c.v.Reset()
	c.entry, c.value, c.rows, c.dict = 0, 0, 0, nil
}

// load reads the next page, or returns io.EOF.
func (c *cursor) load() error {
	if c.sealed {
		return io.EOF
	}
	c.v.Reset()
	c.entry, c.value = 0, 0
	for c.v.Entries == 0 {
		if err := c.pages.Next(&c.v); err != nil {
			return err
		}
	}
	c.dict = c.pages.Dictionary()
	if c.rows != 0 && c.v.Rows != c.rows {
		return fmt.Errorf("%w: a page has %d rows, and the offset index says %d", ErrDamaged, c.v.Rows, c.rows)
	}
	c.rows = 0
	return nil
}

// rep is the repetition level of the next entry, 0 after the last.
func (c *cursor) rep() (uint8, error) {
	if c.maxRep == 0 || c.pages == nil {
		return 0, nil
	}
	if c.entry == c.v.Entries {
		if err := c.load(); errors.Is(err, io.EOF) {
			return 0, nil
		} else if err != nil {
			return 0, err
		}
	}
	return c.v.Rep[c.entry], nil
}

// take passes over an entry, which must have the level rep, and returns its
// definition level. If that is the highest, the entry's value is current.
func (c *cursor) take(rep uint8) (def uint8, err error) {
	if c.entry == c.v.Entries {
		if err := c.load(); errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("%w: one ends early", errApart)
		} else if err != nil {
			return 0, err
		}
	}
	if c.maxRep > 0 && c.v.Rep[c.entry] != rep {
		return 0, fmt.Errorf("%w: level %d, not %d", errApart, c.v.Rep[c.entry], rep)
	}
	if c.maxDef > 0 {
		def = c.v.Def[c.entry]
	}
	c.entry++
	if def == c.maxDef {
		c.value++
	}
	return def, nil
}

// bytes is the current value of a column of byte strings, valid until the
// cursor moves.
func (c *cursor) bytes() []byte {
	if len(c.v.IDs) > 0 {
		return c.dict.At(c.v.IDs[c.value-1])
	}
	return c.v.Bytes.At(c.value - 1)
}

// skip passes over rows.
func (c *cursor) skip(rows int64) error {
	for rows > 0 && c.pages != nil {
		if c.entry == c.v.Entries {
			if err := c.load(); errors.Is(err, io.EOF) {
				return fmt.Errorf("%w: one ends early", errApart)
			} else if err != nil {
				return err
			}
		}
		rows -= int64(c.skipWithin(rows))
	}
	return nil
}

// skipWithin passes over rows that begin in the page, and returns how many.
func (c *cursor) skipWithin(rows int64) int {
	from, skipped := c.entry, 0
	for ; c.entry < c.v.Entries; c.entry++ {
		if c.maxRep > 0 && c.v.Rep[c.entry] != 0 {
			continue
		}
		if int64(skipped) == rows {
			break
		}
		skipped++
	}
	if c.maxDef == 0 {
		c.value += c.entry - from
	} else {
		for _, d := range c.v.Def[from:c.entry] {
			if d == c.maxDef {
				c.value++
			}
		}
	}
	return skipped
}
