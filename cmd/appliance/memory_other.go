//go:build !linux

package main

func releaseStartPages() {}

func releasePages() {}
