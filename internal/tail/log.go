package tail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"appliance/internal/durable"
)

const (
	fileMode = 0o640
	dirMode  = 0o750
	// roomName is a file that makes room for verdicts on a full disk.
	roomName  = "room"
	roomBytes = 1 << 20
)

// journal appends frames to the file of one segment after the other.
type journal struct {
	fs   durable.FS
	dir  string
	name string // of the segment whose file is open
	file durable.File
	size int64 // up to which it is whole
	buf  []byte
}

// write appends a frame and returns when it is durable. After an error nothing
// counts as written, and it may be tried again.
func (j *journal) write(segment string, f *frame) error {
	err := j.tryWrite(segment, f)
	if err == nil || !diskFull(err) {
		return err
	}
	// What is decided leaves the spool, and that makes more room.
	if removed := j.fs.Remove(filepath.Join(j.dir, roomName)); removed != nil {
		return err
	}
	return j.tryWrite(segment, f)
}

func (j *journal) tryWrite(segment string, f *frame) error {
	if err := j.open(segment); err != nil {
		return err
	}
	j.buf = f.append(j.buf[:0])
	err := j.file.WritevAt([][]byte{j.buf}, j.size)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		// What is in the file now is not known: the next try opens it again.
		size := j.size
		err = errors.Join(fmt.Errorf("write verdicts of segment %s: %w", segment, err), j.file.Truncate(size), j.file.Close())
		j.file = nil
		return err
	}
	j.size += int64(len(j.buf))
	if cap(j.buf) > 1<<20 {
		j.buf = nil
	}
	return nil
}

// open opens the file of a segment, which is made if it is missing.
func (j *journal) open(segment string) error {
	if j.file != nil && j.name == segment {
		return nil
	}
	j.close()
	path := filepath.Join(j.dir, segment+suffix)
	_, good, err := readSegment(j.fs, path, nil)
	if err != nil {
		return err
	}
	file, err := j.fs.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return fmt.Errorf("open verdicts: %w", err)
	}
	fresh := good == 0
	if fresh {
		err = file.Truncate(0)
		if err == nil {
			err = file.WritevAt([][]byte{[]byte(fileMagic)}, 0)
		}
		good = int64(len(fileMagic))
	} else {
		err = file.Truncate(good)
	}
	if err == nil {
		err = j.fs.SyncDir(j.dir)
	}
	if err != nil {
		err = errors.Join(fmt.Errorf("open verdicts of segment %s: %w", segment, err), file.Close())
		if fresh { // it is made again: a sync of its name that succeeds later says nothing
			err = errors.Join(err, j.fs.Remove(path))
		}
		return err
	}
	j.file, j.name, j.size = file, segment, good
	return nil
}

func (j *journal) close() {
	if j.file != nil {
		_ = j.file.Close() // each frame is synced already
		j.file = nil
	}
}

// makeRoom keeps room for verdicts on a disk that others fill.
func (j *journal) makeRoom() {
	f, err := j.fs.OpenFile(filepath.Join(j.dir, roomName), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return
	}
	if size, err := f.Size(); err == nil && size < roomBytes {
		if f.Allocate(roomBytes) != nil {
			_ = f.Truncate(0)
		}
	}
	_ = f.Close()
}

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
