package config

import (
	"iter"
	"slices"
)

// Closest is the name that differs from another by the fewest letters, if by no more than three.
func Closest(name string, names iter.Seq[string]) string {
	best, distance := "", 4
	for _, known := range slices.Sorted(names) {
		if d := editDistance(name, known); d < distance {
			best, distance = known, d
		}
	}
	return best
}

// editDistance is Levenshtein's: the letters to insert, delete or replace to get from a to b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
