package rules

import (
	"bytes"
	"encoding/binary"
)

// suspect returns the first place of text, from one on, where a secret may begin
// that mask would hide, or -1: before it there is none for sure. It looks at eight
// bytes at once. Text has few of the bytes that a secret begins at, and hardly any
// of them stands behind a name.
func suspect(text []byte, from int) int {
	const size = 8
	if len(text) < size {
		for i := from; i < len(text); i++ {
			if text[i]&0x60 == 0x20 && mayBegin(text, i) {
				return i
			}
		}
		return -1
	}
	for at := from; at < len(text); at += size {
		begin := min(at, len(text)-size)
		marks := marksIn(binary.LittleEndian.Uint64(text[begin:]))
		marks &^= 1<<(8*uint(at-begin)) - 1 // what was seen
		for ; marks != 0; marks &= marks - 1 {
			i := begin + trailingZeros(marks)/8
			if text[i] == ' ' && (i == 0 || schemeEnds>>(text[i-1]&31)&1 == 0) {
				continue // as nearly all blanks
			}
			if mayBegin(text, i) {
				return i
			}
		}
	}
	return -1
}

// schemeEnds has the last letters of schemes, in any case, as bits.
const schemeEnds = 1<<('r'&31) | 1<<('c'&31) | 1<<('n'&31)

// marksIn sets the highest bit of those of eight bytes that are from 0x20 to 0x2b
// or from 0x3a to 0x3f. Secrets begin at some of these, and no letter, digit, dot
// or slash is among them.
func marksIn(word uint64) uint64 {
	const (
		each = 0x0101010101010101
		high = 0x80 * each
	)
	raised := word | high // so that nothing is borrowed from the next byte
	low := (raised - 0x20*each) &^ (raised - 0x2c*each)
	up := (raised - 0x3a*each) &^ (raised - 0x40*each)
	return (low | up) & high &^ word
}

// mayBegin says of a place whether masker.at can find a secret there, by the
// letters before it.
func mayBegin(text []byte, at int) bool {
	switch text[at] {
	case ' ', '+':
		return schemeTails.of(text[:at])
	case '=':
		return assignedTails.of(text[:nameEnd(text, at)])
	case ':':
		if bytes.HasPrefix(text[at:], authorityMark) {
			return userinfoEnd(text, at+len(authorityMark)) >= 0
		}
		return assignedTails.of(text[:nameEnd(text, at)])
	case '%': // an encoded one of these
		return schemeTails.of(text[:at]) || assignedTails.of(text[:nameEnd(text, at)])
	case '\'':
		return true
	}
	return false
}

// authorityMark stands before the authority of a URL.
var authorityMark = []byte("://")

// userinfoEnd is where the @ stands behind the user and password of a URL whose
// authority begins at a place, or -1.
func userinfoEnd(text []byte, from int) int {
	end := from
	for end < len(text) && !endsAuthority[text[end]] {
		end++
	}
	if at := bytes.LastIndexByte(text[from:end], '@'); at >= 0 {
		return from + at
	}
	return -1
}

var endsAuthority = [256]bool{
	'/': true, '?': true, '#': true, ' ': true, '\t': true, '\r': true, '\n': true, '"': true, '<': true, '>': true,
}

// nameEnd is where the name before = or : ends: quotes and blanks may stand
// between them.
func nameEnd(text []byte, at int) int {
	for at > 0 {
		switch text[at-1] {
		case ' ', '"', '\'', '`', ']', '\\':
			at--
		default:
			return at
		}
	}
	return at
}
