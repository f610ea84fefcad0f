//go:build !linux

package main

func clockIsKept() (kept, known bool) { return false, false }
