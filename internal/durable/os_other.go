//go:build !linux

package durable

func (f osFile) WritevAt(bufs [][]byte, off int64) error {
	for _, b := range bufs {
		n, err := f.WriteAt(b, off)
		if err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

func (f osFile) Allocate(size int64) error { return f.Truncate(size) }
