// Package plural writes numbers with their nouns, for people.
package plural

import "github.com/dustin/go-humanize"

// Of is a number with its noun: "1 block", "1,234 blocks".
func Of[N int | int64](n N, noun string) string {
	return humanize.Comma(int64(n)) + " " + Noun(n, noun)
}

// Noun is a noun as it stands behind its number. The plural of noun ends with s.
func Noun[N int | int64](n N, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
