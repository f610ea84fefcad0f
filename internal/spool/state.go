package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"slices"

	"appliance/internal/durable"
)

const (
	stateName  = "state"
	stateCopy  = "state.copy"
	stateAside = "state.damaged"
	stateMagic = "aplstate"
	maxState   = 64 << 20
)

// state is what the directory remembers beside the segments: how far each was
// released, and the sums over those that are deleted. It is one small file,
// replaced atomically, and a second one with the same content, so that no one
// sector of the disk has it alone. It may lag behind what was released; records
// are then read again. It is never ahead.
type state struct {
	Released Tally `json:"released"` // in segments that are deleted
	Lost     Tally `json:"lost"`     // likewise
	Torn     Torn  `json:"torn"`
	// Segments has those of which something was released. One whose file is gone
	// was deleted after this was written.
	Segments []cursor `json:"segments,omitempty"`
}

// Torn counts what was cut off after crashes.
type Torn struct {
	Times int64 `json:"times"`
	Bytes int64 `json:"bytes"`
}

// cursor is how far one segment was released.
type cursor struct {
	Segment  string `json:"segment"`
	Offset   int64  `json:"offset"`
	Index    uint32 `json:"index"`
	Before   uint64 `json:"spans_before"`
	Released Tally  `json:"released"`
	Lost     Tally  `json:"lost"`
	// Vanished is what becomes of all that was in the segment if its file, which was
	// gone while the spool was open, has not come back.
	Vanished *fate `json:"vanished,omitempty"`
}

// encodeState is one line with the format's version and the CRC32C of all but
// itself, and the JSON below it.
func encodeState(s state) ([]byte, error) {
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return nil, err
	}
	return sealState(append(b, '\n')), nil
}

func sealState(json []byte) []byte {
	return append(fmt.Appendf(nil, "%s %d %08x\n", stateMagic, formatVersion, stateSum(formatVersion, json)), json...)
}

// padState is b, from encodeState, with spaces up to a multiple of unit bytes.
func padState(b []byte, unit int) []byte {
	_, json, _ := bytes.Cut(b, []byte("\n"))
	space := bytes.Repeat([]byte(" "), (unit-len(b)%unit)%unit)
	return sealState(slices.Concat(json, space))
}

func stateSum(version int, json []byte) uint32 {
	return crc32.Update(payloadSum(fmt.Appendf(nil, "%s %d\n", stateMagic, version)), castagnoli, json)
}

var errStateDamaged = errors.New("state file is damaged")

func decodeState(b []byte) (state, error) {
	first, rest, _ := bytes.Cut(b, []byte("\n"))
	var version int
	var sum uint32
	if n, err := fmt.Sscanf(string(first), stateMagic+" %d %08x", &version, &sum); n != 2 || err != nil {
		return state{}, errStateDamaged
	}
	if stateSum(version, rest) != sum {
		return state{}, errStateDamaged
	}
	if version != formatVersion {
		return state{}, fmt.Errorf("state file: %w %d, want %d", ErrVersion, version, formatVersion)
	}
	var s state
	if err := json.Unmarshal(rest, &s); err != nil {
		return state{}, fmt.Errorf("%w: %w", errStateDamaged, err)
	}
	return s, nil
}

// readState returns the state from the first of its two files that is whole.
// trouble says why it is not the first, and what that costs; nil in a directory
// that has neither. The error is that a later version wrote it.
func readState(fsys durable.FS, dir string) (s state, trouble, err error) {
	s, first := readStateFile(fsys, filepath.Join(dir, stateName))
	if first == nil || errors.Is(first, ErrVersion) {
		return s, nil, first
	}
	s, second := readStateFile(fsys, filepath.Join(dir, stateCopy))
	switch {
	case second == nil:
		return s, fmt.Errorf("%w; its copy is whole, and nothing is lost", first), nil
	case errors.Is(second, ErrVersion):
		return state{}, nil, second
	case errors.Is(first, fs.ErrNotExist) && errors.Is(second, fs.ErrNotExist):
		return state{}, nil, nil
	}
	return state{}, fmt.Errorf("%w; nor can its copy be used (%w), so that records are read again which had left the spool, and sums over deleted segments are lost", first, second), nil
}

func readStateFile(fsys durable.FS, name string) (s state, err error) {
	for range 2 { // what was wrong once may have been so on the way from the disk
		b, readErr := durable.ReadFile(fsys, name, maxState)
		if err = readErr; err == nil {
			s, err = decodeState(b)
		}
		if !errors.Is(err, errStateDamaged) {
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("read %s: %w", name, err)
	}
	return s, err
}
