package oracle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// written is a verdict as it stands in a file.
type written struct {
	rule      string
	threshold uint64 // of 2^56: what has less randomness is left out
	at        time.Time
	early     bool
}

// readVerdicts reads the files of verdicts in a directory, as
// internal/tail/FORMAT.md has them: the verdicts on each trace, by its id.
func readVerdicts(dir string) (map[[16]byte][]written, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.verdicts"))
	if err != nil {
		return nil, err
	}
	all := map[[16]byte][]written{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		frames, ok := strings.CutPrefix(string(b), "apltail1")
		if !ok && len(b) > 0 {
			return nil, fmt.Errorf("%s begins with %.8q", path, b)
		}
		for rest := []byte(frames); len(rest) >= 8; {
			n := binary.LittleEndian.Uint32(rest)
			if n == 0 || int64(n) > int64(len(rest)-8) {
				break // it was not written to its end
			}
			frame := rest[8 : 8+n]
			if crc32.Checksum(frame, crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(rest[4:]) {
				break
			}
			if err := readFrame(frame, all); err != nil {
				return nil, fmt.Errorf("read %s: %w", path, err)
			}
			rest = rest[8+n:]
		}
	}
	return all, nil
}

// readFrame enters the verdicts of a frame.
func readFrame(frame []byte, all map[[16]byte][]written) error {
	f := fields{b: frame}
	at := time.Unix(0, int64(binary.LittleEndian.Uint64(f.take(8))))
	outcomes := make([]written, f.number())
	for i := range outcomes {
		name := string(f.take(f.number()))
		threshold := uint64(binary.LittleEndian.Uint32(f.take(4)))
		if threshold == 1<<32-1 {
			threshold++
		}
		outcomes[i] = written{rule: name, threshold: threshold << 24, at: at}
	}
	for range f.number() { // tenants
		f.take(f.number())
	}
	for range f.number() {
		id := [16]byte(f.take(16))
		f.number() // the tenant
		outcome := f.number()
		f.number() // spans
		flags := f.number()
		if f.bad || outcome >= uint64(len(outcomes)) {
			return errors.New("a frame ends too early, or names an outcome that it does not have")
		}
		v := outcomes[outcome]
		v.early = flags&1 != 0
		all[id] = append(all[id], v)
	}
	return nil
}

// fields reads numbers and bytes; zeros where there are none any more.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) take(n uint64) []byte {
	if n > uint64(len(f.b)) {
		f.bad, f.b = true, nil
		return make([]byte, min(n, 16))
	}
	taken := f.b[:n]
	f.b = f.b[n:]
	return taken
}

func (f *fields) number() uint64 {
	v, n := binary.Uvarint(f.b)
	if n <= 0 || v > 1<<40 {
		f.bad, f.b = true, nil
		return 0
	}
	f.b = f.b[n:]
	return v
}
