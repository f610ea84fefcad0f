package block

import "slices"

// push appends a value. It doubles a slice that is full, where append makes a
// large one a quarter larger: growing then copies each value once, not four
// times, and leaves less to the collector.
func push[T any](s []T, v T) []T {
	if len(s) == cap(s) {
		s = double(s)
	}
	return append(s, v)
}

const firstPush = 256

func double[T any](s []T) []T { return slices.Grow(s, max(firstPush, len(s))) }

// pushAll appends values likewise.
func pushAll[T any](s, values []T) []T {
	if cap(s)-len(s) < len(values) {
		s = slices.Grow(s, max(firstPush, len(s), len(values)))
	}
	return append(s, values...)
}

// pushN appends a value n times.
func pushN[T any](s []T, v T, n int) []T {
	if cap(s)-len(s) < n {
		s = slices.Grow(s, max(firstPush, len(s), n))
	}
	from := len(s)
	s = s[:from+n]
	for i := range s[from:] {
		s[from+i] = v
	}
	return s
}

// zeroed returns n zeros in the memory of s, as far as that goes.
func zeroed[T any](s []T, n int) []T {
	s = slices.Grow(s[:0], n)[:n]
	clear(s)
	return s
}
