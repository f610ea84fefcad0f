//go:build !unix

package receiver

func mapped(n int) []byte { return make([]byte, 0, n) }

func unmap([]byte) {}
