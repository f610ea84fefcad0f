//go:build !linux

package lowprio

// lower does nothing: elsewhere a priority is that of the whole process.
func lower() {}
