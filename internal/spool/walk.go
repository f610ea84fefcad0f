package spool

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"

	"appliance/internal/durable"
)

// piece is one step through a segment: a frame with a valid header, or a range
// in which there is none.
type piece struct {
	extent
	header         // of a frame
	damaged bool   // there is no frame
	index   uint32 // of the first record that begins in the piece
	lost    Counts // what was in a damaged piece, by the numbers of its neighbours
}

// walker passes over the frames of one segment in order, reading headers. After
// damage it goes on at the next header that is valid in its place.
type walker struct {
	win  window
	salt uint64
	at   mark
	end  mark // bytes from end.offset on are not looked at
	torn []torn

	// open says that the end is not known: zeros up to end.offset are no damage,
	// and end's other numbers say nothing.
	open bool
	// adrift says that at's index and before are not known, after a torn range
	// whose footer does not tell them.
	adrift bool
}

// next returns the next piece, io.EOF at the end, or an error of reading.
func (w *walker) next() (piece, error) {
	for _, t := range w.torn {
		if t.Offset <= w.at.offset && w.at.offset < t.end() {
			w.at, w.adrift = mark{t.end(), t.Index, t.Before}, t.Index == 0
		}
	}
	start := w.at
	if start.offset >= w.end.offset {
		return piece{}, io.EOF
	}
	h, ok, err := w.surely(start.offset)
	if err != nil {
		return piece{}, err
	}
	if ok {
		w.at = mark{start.offset + h.size(), h.index + 1, h.before + uint64(h.spans)}
		w.adrift = false
		return piece{extent: extent{start.offset, h.size()}, header: h, index: h.index}, nil
	}
	return w.resync(start)
}

// resync finds the end of what is damaged at start.
func (w *walker) resync(start mark) (piece, error) {
	off, h, err := w.search(start.offset + 1)
	if err != nil {
		return piece{}, err
	}
	next := w.end
	switch {
	case off < w.end.offset:
		next = mark{off, h.index, h.before}
	case w.open:
		last, err := w.win.lastNonZero(start.offset, w.end.offset)
		if err != nil {
			return piece{}, err
		}
		w.at = w.end
		if last < start.offset {
			return piece{}, io.EOF
		}
		return piece{extent: extent{start.offset, last + 1 - start.offset}, damaged: true, index: start.index}, nil
	}
	p := piece{extent: extent{start.offset, next.offset - start.offset}, damaged: true, index: start.index}
	if w.adrift {
		// One record at least, and the last of them is the one before next.
		p.index, p.lost = max(next.index, 1)-1, Counts{Records: 1}
	} else {
		p.lost = Counts{int64(next.index) - int64(start.index), int64(next.before - start.before)}
	}
	// No more than there is room for, whatever a header says.
	p.lost.Records = max(0, min(p.lost.Records, p.Bytes/headerSize))
	w.at, w.adrift = next, false
	return p, nil
}

// search returns where the next valid header is, from off on, or end.offset.
func (w *walker) search(off int64) (int64, header, error) {
	for off < w.end.offset {
		b, err := w.win.from(off, len(marker), w.end.offset)
		if err != nil {
			return 0, header{}, err
		}
		if len(b) < len(marker) {
			break
		}
		i := bytes.Index(b, marker)
		if i < 0 {
			off += int64(len(b) - len(marker) + 1)
			continue
		}
		off += int64(i)
		h, ok, err := w.header(off)
		if err != nil {
			return 0, header{}, err
		}
		if ok {
			return off, h, nil
		}
		off++
	}
	return w.end.offset, header{}, nil
}

// header reads the header at off; not ok if there is none, its frame reaches
// beyond the end, or so many records before it are not possible.
func (w *walker) header(off int64) (header, bool, error) {
	b, err := w.win.from(off, headerSize, w.end.offset)
	if err != nil || len(b) < headerSize {
		return header{}, false, err
	}
	b, err = w.win.from(off, headerSize+int(b[5]), w.end.offset)
	if err != nil {
		return header{}, false, err
	}
	h, ok := parseHeader(b, w.salt, off)
	ok = ok && h.size() <= w.end.offset-off && int64(h.index) <= off/headerSize
	return h, ok, nil
}

// surely is header, and reads once more where there seems to be none: what was
// wrong once may have been so on the way from the disk only.
func (w *walker) surely(off int64) (header, bool, error) {
	h, ok, err := w.header(off)
	if ok || err != nil {
		return h, ok, err
	}
	w.win.forget(off, headerSize+MaxTenant)
	return w.header(off)
}

// intact reads a frame's payload and compares its sum, twice before it says that
// it is another.
func (w *walker) intact(p piece) (bool, error) {
	ok, err := w.sums(p)
	if ok || err != nil {
		return ok, err
	}
	w.win.forget(p.Offset, p.Bytes)
	return w.sums(p)
}

func (w *walker) sums(p piece) (bool, error) {
	sum := uint32(0)
	off, end := p.Offset+p.body(), p.end()
	for off < end {
		b, err := w.win.from(off, 1, w.end.offset)
		if err != nil {
			return false, err
		}
		if len(b) == 0 {
			return false, nil
		}
		b = b[:min(int64(len(b)), end-off)]
		sum = crc32.Update(sum, castagnoli, b)
		off += int64(len(b))
	}
	return sum == p.sum, nil
}

// The sizes of windows: one for reading headers here and there, one for reading
// all there is.
const (
	headerWindow = 4 << 10
	wholeWindow  = 256 << 10
)

var zeros [wholeWindow]byte

// window reads ahead in a file.
type window struct {
	file io.ReaderAt
	buf  []byte
	off  int64
	n    int
}

func newWindow(file io.ReaderAt, size int) window { return window{file: file, buf: make([]byte, size)} }

// from returns bytes from off on: at least n of them, fewer only before end or
// the end of the file. They are valid until the next call.
func (w *window) from(off int64, n int, end int64) ([]byte, error) {
	if have := w.off + int64(w.n); off < w.off || off+int64(n) > have && have < end || off >= have {
		want := min(int64(len(w.buf)), max(0, end-off))
		got, err := w.file.ReadAt(w.buf[:want], off)
		if err != nil && !errors.Is(err, io.EOF) && want > int64(n) {
			// Perhaps it is only what lies ahead that cannot be read.
			got, err = w.file.ReadAt(w.buf[:n], off)
		}
		w.off, w.n = off, got
		if err != nil && !errors.Is(err, io.EOF) {
			w.n = 0
			return nil, err
		}
	}
	return w.buf[off-w.off : w.n], nil
}

// forget has the next read ask the disk again.
func (w *window) forget(off, n int64) {
	w.n = 0
	forget(w.file, off, n)
}

func forget(file io.ReaderAt, off, n int64) {
	if f, ok := file.(durable.Forgetter); ok {
		_ = f.Forget(off, n) // if it cannot, it is read from memory once more
	}
}

// lastNonZero returns where the last byte is in [off, end) that is not zero, or
// less than off.
func (w *window) lastNonZero(off, end int64) (int64, error) {
	last := off - 1
	for off < end {
		b, err := w.from(off, 1, end)
		if err != nil || len(b) == 0 {
			return last, err
		}
		if !bytes.Equal(b, zeros[:len(b)]) {
			last = off + int64(len(bytes.TrimRight(b, "\x00"))) - 1
		}
		off += int64(len(b))
	}
	return last, nil
}
