//go:build !linux

package block

func adviseLargePages([]byte) {}
