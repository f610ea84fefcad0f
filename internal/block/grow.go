package block

import "slices"

// push appends a value. It doubles a slice that is full, where append makes a
// large one a quarter larger: growing then copies each value once, not four
// times, and leaves less to the collector.
func push[T any](m *slab, s []T, v T) []T {
	if len(s) == cap(s) {
		s = room(m, s, 1)
	}
	return append(s, v)
}

const firstPush = 256

// room returns a slice with room for n values more. What is made by make alone takes no
// memory of the system until it is written to, where append and slices.Grow write
// zeros to the end.
func room[T any](m *slab, s []T, n int) []T {
	if cap(s)-len(s) >= n {
		return s
	}
	return append(slabOf[T](m, len(s)+max(firstPush, len(s), n)), s...)
}

// pushAll appends values likewise.
func pushAll[T any](m *slab, s, values []T) []T { return append(room(m, s, len(values)), values...) }

// pushN appends a value n times.
func pushN[T any](m *slab, s []T, v T, n int) []T {
	s = room(m, s, n)
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
