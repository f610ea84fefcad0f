package tempo

import (
	"fmt"
	"os"
)

// Resident is the memory of a process that only it has, in bytes: without the pages of its executable and other files.
func Resident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	var size, resident, shared int64
	if _, err := fmt.Sscan(string(text), &size, &resident, &shared); err != nil {
		return 0, fmt.Errorf("read the memory of process %d from %q: %w", pid, text, err)
	}
	return (resident - shared) * int64(os.Getpagesize()), nil
}
