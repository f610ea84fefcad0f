package otlpwire

import (
	"encoding/binary"
	"unicode/utf8"
)

const highBits = 0x8080808080808080

// ascii says whether no byte has its high bit set.
func ascii(b []byte) bool {
	n := len(b)
	if n < 8 {
		var all byte
		for _, c := range b {
			all |= c
		}
		return all < utf8.RuneSelf
	}
	all := binary.LittleEndian.Uint64(b[n-8:]) // the last eight may overlap those before
	for i := 0; i+8 < n; i += 8 {
		all |= binary.LittleEndian.Uint64(b[i:])
	}
	return all&highBits == 0
}

// validText is utf8.Valid, quicker for the short ASCII that telemetry is made of.
func validText(b []byte) bool { return ascii(b) || utf8.Valid(b) }
