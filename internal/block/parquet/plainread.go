package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// errValues says that the values of a page are not what its header says.
var errValues = errors.New("values of a page are damaged")

// ByteArrays are byte strings one after the other.
type ByteArrays struct {
	Data    []byte
	Offsets []uint32 // one more than there are strings; of Data
}

// Held is how many bytes of memory they have, in use or not.
func (a *ByteArrays) Held() int { return cap(a.Data) + 4*cap(a.Offsets) }

// Len is the number of strings.
func (a *ByteArrays) Len() int { return max(0, len(a.Offsets)-1) }

// At is one string, valid as long as Data is.
func (a *ByteArrays) At(i int) []byte {
	from, to := a.Offsets[i], a.Offsets[i+1]
	return a.Data[from:to:to]
}

// Reset makes it empty and keeps its memory.
func (a *ByteArrays) Reset() { a.Data, a.Offsets = a.Data[:0], a.Offsets[:0] }

// maxBytes bounds the bytes of ByteArrays, whose offsets have 32 bits.
const maxBytes = 1<<32 - 1

// reserve makes room for n strings of size bytes altogether.
func (a *ByteArrays) reserve(n int, size uint64) error {
	if uint64(len(a.Data))+size > maxBytes {
		return fmt.Errorf("%w: %d bytes of byte strings after %d", errValues, size, len(a.Data))
	}
	if len(a.Offsets) == 0 {
		a.Offsets = append(slices.Grow(a.Offsets, n+1), 0)
	}
	a.Offsets = slices.Grow(a.Offsets, n)
	a.Data = slices.Grow(a.Data, int(size))
	return nil
}

// Append appends a string. There must be room for its bytes within 4 GiB.
func (a *ByteArrays) Append(s []byte) {
	if len(a.Offsets) == 0 {
		a.Offsets = append(a.Offsets, 0)
	}
	a.append(s)
}

// append is Append after reserve.
func (a *ByteArrays) append(s []byte) {
	a.Data = append(a.Data, s...)
	a.Offsets = append(a.Offsets, uint32(len(a.Data)))
}

func shortValues(what string, n int, src []byte) error {
	return fmt.Errorf("%w: %d %s in %d bytes", errValues, n, what, len(src))
}

// grow makes a slice longer by n elements.
func grow[T any](s []T, n int) []T { return slices.Grow(s, n)[:len(s)+n] }

func plainInt32(dst []int64, src []byte, n int) ([]int64, error) {
	if len(src) != 4*n {
		return dst, shortValues("integers of 4 bytes", n, src)
	}
	dst = slices.Grow(dst, n)
	for ; len(src) >= 4; src = src[4:] {
		dst = append(dst, int64(int32(binary.LittleEndian.Uint32(src))))
	}
	return dst, nil
}

func plainInt64(dst []int64, src []byte, n int) ([]int64, error) {
	if len(src) != 8*n {
		return dst, shortValues("integers of 8 bytes", n, src)
	}
	dst = slices.Grow(dst, n)
	for ; len(src) >= 8; src = src[8:] {
		dst = append(dst, int64(binary.LittleEndian.Uint64(src)))
	}
	return dst, nil
}

func plainDouble(dst []float64, src []byte, n int) ([]float64, error) {
	if len(src) != 8*n {
		return dst, shortValues("doubles", n, src)
	}
	dst = slices.Grow(dst, n)
	for ; len(src) >= 8; src = src[8:] {
		dst = append(dst, math.Float64frombits(binary.LittleEndian.Uint64(src)))
	}
	return dst, nil
}

func plainBool(dst []bool, src []byte, n int) ([]bool, error) {
	if len(src) != (n+7)/8 {
		return dst, shortValues("booleans", n, src)
	}
	dst = slices.Grow(dst, n)
	for i := range n {
		dst = append(dst, src[i/8]>>(i%8)&1 != 0)
	}
	return dst, nil
}

// runsBool reads booleans of encoding RLE: a length, and runs of one bit.
func runsBool(dst []bool, src []byte, n int) ([]bool, error) {
	if len(src) < 4 || uint64(binary.LittleEndian.Uint32(src)) != uint64(len(src)-4) {
		return dst, shortValues("booleans in runs", n, src)
	}
	levels, err := readLevels(nil, src[4:], 1, n)
	if err != nil {
		return dst, err
	}
	dst = slices.Grow(dst, n)
	for _, l := range levels {
		dst = append(dst, l != 0)
	}
	return dst, nil
}

// plainBytes appends n strings, each after its length of four bytes.
func plainBytes(dst *ByteArrays, src []byte, n int) error {
	if 4*uint64(n) > uint64(len(src)) {
		return shortValues("byte strings", n, src)
	}
	if err := dst.reserve(n, uint64(len(src)-4*n)); err != nil {
		return err
	}
	whole := src
	for range n {
		if len(src) < 4 {
			return shortValues("byte strings", n, whole)
		}
		size := binary.LittleEndian.Uint32(src)
		if uint64(size) > uint64(len(src)-4) {
			return shortValues("byte strings", n, whole)
		}
		dst.append(src[4 : 4+size])
		src = src[4+size:]
	}
	if len(src) != 0 {
		return fmt.Errorf("%w: %d bytes after %d byte strings", errValues, len(src), n)
	}
	return nil
}

// plainFixed appends n strings of size bytes each.
func plainFixed(dst *ByteArrays, src []byte, size, n int) error {
	if size <= 0 || uint64(size)*uint64(n) != uint64(len(src)) {
		return shortValues("byte strings of one length", n, src)
	}
	if err := dst.reserve(n, uint64(len(src))); err != nil {
		return err
	}
	for ; len(src) > 0; src = src[size:] {
		dst.append(src[:size])
	}
	return nil
}
