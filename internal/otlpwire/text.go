package otlpwire

import (
	"encoding/binary"
	"unicode/utf8"
)

const highBits = 0x8080808080808080

// validText is utf8.Valid, quicker for the short ASCII that telemetry is made of.
func validText(b []byte) bool {
	n := len(b)
	if n >= 8 {
		i := 0
		for ; i+8 <= n; i += 8 {
			if binary.LittleEndian.Uint64(b[i:])&highBits != 0 {
				return utf8.Valid(b[i:])
			}
		}
		// The last, overlapping eight: what precedes i is ASCII.
		return binary.LittleEndian.Uint64(b[n-8:])&highBits == 0 || utf8.Valid(b[i:])
	}
	for i, c := range b {
		if c >= utf8.RuneSelf {
			return utf8.Valid(b[i:])
		}
	}
	return true
}
