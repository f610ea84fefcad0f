//go:build !linux

package lowprio

// lower does nothing: elsewhere a priority is that of the whole process.
func lower() {}

// threadID would tell the calling thread from all others.
func threadID() (id int, known bool) { return 0, false }
