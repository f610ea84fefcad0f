package parquet

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"sync"
)

// Range is a part of a file.
type Range struct{ Offset, Length int64 }

// Fetched has parts of a file in memory. Other parts are read from the file.
type Fetched struct {
	file   ReaderAt
	parts  []part
	memory []byte
}

type part struct {
	Range
	data []byte
}

// maxFetch bounds the bytes of one read that are there because of the gap.
const maxFetch = 4 << 20

// Fetch reads ranges of the file, in the memory of got, which may be nil. Two
// that have at most gap bytes between them are read in one, and parallel reads
// are under way at a time.
func (f *File) Fetch(ctx context.Context, got *Fetched, ranges []Range, gap, parallel int) (*Fetched, error) {
	if got == nil {
		got = &Fetched{}
	}
	got.file = f.r
	got.divide(merge(ranges, gap))
	if parallel <= 1 || len(got.parts) == 1 {
		for i := range got.parts {
			if err := got.parts[i].read(ctx, f.r); err != nil {
				return nil, err
			}
		}
		return got, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan *part)
	var wg sync.WaitGroup
	for range min(parallel, len(got.parts)) {
		wg.Go(func() {
			for p := range next {
				if err := p.read(ctx, f.r); err != nil {
					cancel(err) // the first one is kept
				}
			}
		})
	}
	for i := range got.parts {
		next <- &got.parts[i]
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return got, nil
}

// Held is how many bytes of memory it has, in use or not. It may be nil.
func (f *Fetched) Held() int {
	if f == nil {
		return 0
	}
	return cap(f.memory)
}

// Release lets go of the file and what was read of it, and keeps the memory. It may
// be nil.
func (f *Fetched) Release() {
	if f != nil {
		f.file, f.parts = nil, nil
	}
}

// divide gives each part its memory.
func (f *Fetched) divide(parts []part) {
	size := int64(0)
	for i := range parts {
		size += parts[i].Length
	}
	f.parts, f.memory = parts, slices.Grow(f.memory[:0], int(size))[:size]
	memory := f.memory
	for i := range parts {
		parts[i].data, memory = memory[:parts[i].Length], memory[parts[i].Length:]
	}
}

func (p *part) read(ctx context.Context, r ReaderAt) error {
	if err := readFull(ctx, r, p.data, p.Offset); err != nil {
		return damaged("pages", err)
	}
	return nil
}

// merge sorts ranges and joins those that are near each other.
func merge(ranges []Range, gap int) []part {
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.Offset, b.Offset) })
	var parts []part
	for _, r := range ranges {
		if n := len(parts) - 1; n >= 0 {
			last := &parts[n]
			end := r.Offset + r.Length
			if r.Offset-(last.Offset+last.Length) <= int64(gap) && end-last.Offset <= maxFetch {
				last.Length = max(last.Length, end-last.Offset)
				continue
			}
		}
		parts = append(parts, part{Range: r})
	}
	return parts
}

// ReadAt reads from memory what is there as a whole.
func (f *Fetched) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if b := f.bytes(off, int64(len(p))); b != nil {
		return copy(p, b), nil
	}
	return f.file.ReadAt(ctx, p, off)
}

// bytes is a range that is in memory as a whole, or nil. It is valid until the memory
// is used again.
func (f *Fetched) bytes(off, n int64) []byte {
	i := sort.Search(len(f.parts), func(i int) bool { return f.parts[i].Offset > off }) - 1
	if i < 0 {
		return nil
	}
	at := off - f.parts[i].Offset
	if at+n > f.parts[i].Length {
		return nil
	}
	return f.parts[i].data[at : at+n : at+n]
}
