package pages

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// maxText is how many bytes of a text are shown where all of it has no place.
const maxText = 200

// text is something that a client sent, as it is shown.
type text struct {
	Text  string
	Bytes int // of all of it, where it was cut; else 0
}

// cutTo makes a text of up to so many bytes of s.
func cutTo(limit int, s string) text {
	if len(s) <= limit {
		return text{Text: visible(s)}
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return text{Text: visible(s[:limit]), Bytes: len(s)}
}

// whole makes a text of all of s.
func whole(s string) text { return text{Text: visible(s)} }

// Size is how long the whole is that was cut.
func (t text) Size() string { return humanize.Comma(int64(t.Bytes)) + " bytes" }

// visible writes out what cannot be seen or turns the text around it: control
// characters, marks of direction, bytes that are not UTF-8.
func visible(s string) string {
	if strings.IndexFunc(s, hidden) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		case hidden(r):
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool { return !unicode.IsPrint(r) && r != '\n' }

// durationText is a duration in nanoseconds to about three digits.
func durationText(ns uint64) string {
	d := time.Duration(min(ns, math.MaxInt64))
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= unit.of {
			return digits(float64(d)/float64(unit.of)) + " " + unit.name
		}
	}
	return strconv.FormatInt(int64(d), 10) + " ns"
}

func countText[N int | int64](n N) string { return humanize.Comma(int64(n)) }

// several is a number with its noun.
func several[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return countText(n) + " " + noun + "s"
}

// number is a figure to about three digits.
func number(f float64) string {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return "unknown"
	case f >= 1000:
		return humanize.Comma(int64(math.Round(f)))
	}
	return digits(f)
}

// digits are the first three of a number below 1000, without zeros at the end.
func digits(f float64) string {
	places := 2
	switch {
	case f >= 99.95:
		places = 0
	case f >= 9.995:
		places = 1
	case f > 0 && f < 0.1:
		return strconv.FormatFloat(f, 'g', 2, 64)
	}
	text := strconv.FormatFloat(f, 'f', places, 64)
	if places > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// stamp is a moment in a form for people and one for machines.
type stamp struct{ Text, ISO string }

func stampOf(ns uint64) stamp {
	t := time.Unix(0, int64(ns)).UTC()
	return stamp{t.Format("2006-01-02 15:04:05.000"), t.Format(time.RFC3339Nano)}
}
