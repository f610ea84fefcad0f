//go:build !linux

package tempo

import "errors"

// Resident is known on Linux only.
func Resident(int) (int64, error) { return 0, errors.ErrUnsupported }
