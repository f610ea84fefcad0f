// Package disk says how much room a filesystem has.
package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Room is the room of a filesystem, in bytes.
type Room struct {
	Bytes int64
	Free  int64 // for an ordinary user
	// Device tells filesystems of one machine apart.
	Device uint64
}

// Of is the room of the filesystem that a file or directory is on, or will be
// on once it is made.
func Of(path string) (Room, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Room{}, fmt.Errorf("look at the disk of %s: %w", path, err)
	}
	for {
		_, err := os.Stat(path)
		if parent := filepath.Dir(path); errors.Is(err, fs.ErrNotExist) && parent != path {
			path = parent
			continue
		}
		r := Room{}
		if err == nil {
			r, err = of(path)
		}
		if err != nil {
			return Room{}, fmt.Errorf("look at the disk of %s: %w", path, err)
		}
		return r, nil
	}
}
