package disk

import "golang.org/x/sys/unix"

func of(path string) (Room, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return Room{}, err
	}
	var f unix.Stat_t
	if err := unix.Stat(path, &f); err != nil {
		return Room{}, err
	}
	unit := s.Frsize
	if unit == 0 {
		unit = s.Bsize
	}
	return Room{Bytes: int64(s.Blocks) * unit, Free: int64(s.Bavail) * unit, Device: f.Dev}, nil
}
