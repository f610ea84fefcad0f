package red

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"
)

// Both files begin with a format and end with a CRC-32C of all before it.
const (
	stateFormat = "red counts 1\n"
	dayFormat   = "red day 1\n"
	maxText     = 4 * maxName // of a tenant or name in a file
)

var errDamaged = errors.New("the file is damaged")

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func seal(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, checksum(b)) }

// unseal returns what is between format and checksum.
func unseal(text []byte, format string) ([]byte, error) {
	n := len(text) - 4
	if n < len(format) || string(text[:len(format)]) != format {
		return nil, fmt.Errorf("%w: it does not begin with %q", errDamaged, format)
	}
	if checksum(text[:n]) != binary.LittleEndian.Uint32(text[n:]) {
		return nil, fmt.Errorf("%w: its checksum is wrong", errDamaged)
	}
	return text[len(format):n], nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendHistogram(b []byte, h *Histogram) []byte {
	mask := h.mask()
	b = binary.LittleEndian.AppendUint64(b, mask)
	for ; mask != 0; mask &= mask - 1 {
		b = binary.AppendUvarint(b, h.counts[bits.TrailingZeros64(mask)])
	}
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(h.sum))
}

func appendTotals(b []byte, t *totals) []byte {
	b = appendHistogram(b, &t.latency)
	b = binary.AppendUvarint(b, t.bytes)
	b = binary.AppendUvarint(b, t.kept)
	return binary.AppendUvarint(b, t.keptBytes)
}

func appendEdgeTotals(b []byte, t *edgeTotals) []byte {
	b = binary.AppendUvarint(b, t.failed)
	b = appendHistogram(b, &t.clientTime)
	return appendHistogram(b, &t.serverTime)
}

// decoder reads what was appended. After a failure it reads zeros.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) fail() {
	d.failed, d.b = true, nil
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads how many things follow, each of at least so many bytes.
func (d *decoder) count(least int) int {
	n := d.uvarint()
	if n > uint64(len(d.b)/least) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) take(n int) []byte {
	if n > len(d.b) {
		d.fail()
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) fixed() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) byte() uint8 {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) text() string {
	n := d.uvarint()
	if n > maxText {
		d.fail()
		return ""
	}
	return string(d.take(int(n)))
}

func (d *decoder) histogram(s *scale) Histogram {
	h := Histogram{scale: s}
	for mask := d.fixed(); mask != 0; mask &= mask - 1 {
		h.counts[bits.TrailingZeros64(mask)] = d.uvarint()
	}
	h.sum = math.Float64frombits(d.fixed())
	return h
}

func (d *decoder) totals() totals {
	return totals{d.histogram(latencyScale), d.uvarint(), d.uvarint(), d.uvarint()}
}

func (d *decoder) edgeTotals() edgeTotals {
	return edgeTotals{d.uvarint(), d.histogram(edgeScale), d.histogram(edgeScale)}
}

// end is the error of all that was read. Nothing may be left.
func (d *decoder) end() error {
	if d.failed || len(d.b) > 0 {
		return fmt.Errorf("%w: its contents do not fit together", errDamaged)
	}
	return nil
}
