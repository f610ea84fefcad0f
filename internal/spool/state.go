package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"

	"appliance/internal/durable"
)

const (
	stateName  = "state"
	stateMagic = "aplstate"
	maxState   = 64 << 20
)

// state is what the directory remembers beside the segments: how far each was
// released, and the sums over those that are deleted. It is one small file,
// replaced atomically. It may lag behind what was released; records are then
// read again. It is never ahead.
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
}

// encodeState is one line with the format's version and the CRC32C of all but
// itself, and the JSON below it.
func encodeState(s state) ([]byte, error) {
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return nil, err
	}
	b = append(b, '\n')
	return append(fmt.Appendf(nil, "%s %d %08x\n", stateMagic, formatVersion, stateSum(formatVersion, b)), b...), nil
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

func readState(fsys durable.FS, dir string) (state, error) {
	b, err := durable.ReadFile(fsys, filepath.Join(dir, stateName), maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, err
	}
	return decodeState(b)
}
