package otlpwire

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

// TestValidText puts everything that may be wrong, or right, at every place of
// texts around the eight bytes that are looked at together.
func TestValidText(t *testing.T) {
	for _, piece := range []string{"", "é", "€", "😀", "\x80", "\xff", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf"} {
		for size := range 40 {
			plain := bytes.Repeat([]byte{'x'}, size)
			for at := range size + 1 {
				b := append(append(append([]byte{}, plain[:at]...), piece...), plain[at:]...)
				if got := validText(b); got != utf8.Valid(b) {
					t.Fatalf("%q: got %v", b, got)
				}
			}
		}
	}
}

// TestPlainRun does the same for the end of what stands for itself in JSON.
func TestPlainRun(t *testing.T) {
	for c := range 256 {
		for size := range 20 {
			for at := range size {
				for _, before := range []byte{'x', ' ', '!', '#', '[', ']', 0x7f, 0x80, 0xff} {
					b := bytes.Repeat([]byte{before}, size)
					b[at] = byte(c)
					want := size
					if c < ' ' || c == '"' || c == '\\' {
						want = at
					}
					if got := plainRun(b); got != want {
						t.Fatalf("%q: got %d, want %d", b, got, want)
					}
				}
			}
		}
	}
}

// TestEveryByte changes every byte of small requests to every other value, which
// finds what the shortcuts for common shapes take on trust.
func TestEveryByte(t *testing.T) {
	for _, body := range [][]byte{
		request(span(ids(1), attribute(9, "key", text(1, "value")))),
		request(span(ids(1), attribute(9, "k", varint(2, 1)))),
		request(span(ids(1), attribute(9, "k", varint(3, 300)))),
		request(span(ids(1), attribute(9, "k", fixed64(4, 1)), text(3, "a=1"), fixed32(16, 1))),
		request(span(ids(1), message(9, message(2, text(1, "v")), text(1, "k")))),
		resourceSpans(message(1, entityRef("url", "host", "id", "name")), scopeSpans(span(ids(1)))),
		request(span(ids(1), message(9, varint(3, 1), message(2, varint(8, 1))))),
		resourceSpans(resource("shop"), scopeSpans(message(1, text(1, "n")), span(ids(1), varint(6, 2)))),
	} {
		for at := range body {
			for c := range 256 {
				changed := bytes.Clone(body)
				changed[at] = byte(c)
				checkFilter(t, changed)
			}
		}
	}
}
