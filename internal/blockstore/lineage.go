package blockstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"appliance/internal/block"
	"appliance/internal/durable"
	"appliance/internal/spool"
)

// LineageName is the file that says where the spans of a block come from. A
// block that has it is proven: it is written after the proof.
const LineageName = "lineage.json"

const (
	lineageVersion = 1
	maxLineage     = 16 << 20
)

// Lineage is where the spans of a block come from.
type Lineage struct {
	Version int `json:"version"`
	// Cut is when the youngest of its records were cut off from those that come.
	Cut time.Time `json:"cut"`
	// FirstCut is that of the oldest ones, of a block that was merged. It is not
	// known of traces that wait: these may be much older.
	FirstCut time.Time `json:"first_cut,omitzero"`
	// Again says that a merged block is to be merged once more.
	Again bool `json:"merge_again,omitempty"`
	// Waits is when a merge first let one of its traces wait for its end, of a block
	// of traces that wait.
	Waits time.Time `json:"waits_since,omitzero"`
	// Merged are the blocks that it was made of, none for one made from the spool.
	Merged []string `json:"merged,omitempty"`
	// Ranges are the records of its tenant whose spans are in it, as long as the
	// spool may still have them. Several blocks of a merge have the same.
	Ranges []Range `json:"ranges,omitempty"`
	Spans  int64   `json:"spans"`
	// Copies are spans that were left out, being equal to another.
	Copies int64        `json:"copies,omitempty"`
	Digest block.Digest `json:"digest"`
}

// Range is all records of a tenant in one segment of the spool from one offset
// to another, both included. The name of a segment is random in part, so that a
// range of another spool means nothing here.
type Range struct {
	Segment string `json:"segment"`
	First   int64  `json:"first_offset"`
	Last    int64  `json:"last_offset"`
}

// rangesOf says where records are that are all those of a tenant between the
// first and the last, without those that are missing in the block. segment gives
// the name of a segment by its number.
func rangesOf(positions []spool.Position, missing map[spool.Position]bool, segment func(uint64) (string, bool)) ([]Range, error) {
	var out []Range
	in := uint64(0) // the segment of the last range; 0 where none may grow
	for _, at := range positions {
		if missing[at] {
			in = 0
			continue
		}
		if len(out) > 0 && at.Segment == in {
			out[len(out)-1].Last = at.Offset
			continue
		}
		name, ok := segment(at.Segment)
		if !ok {
			return nil, fmt.Errorf("name the segment of record %s: %w", at, spool.ErrGone)
		}
		out = append(out, Range{Segment: name, First: at.Offset, Last: at.Offset})
		in = at.Segment
	}
	return out, nil
}

func writeLineage(fsys durable.FS, dir string, l Lineage) error {
	l.Version = lineageVersion
	text, err := json.MarshalIndent(l, "", " ")
	if err != nil {
		return fmt.Errorf("encode the lineage of %s: %w", dir, err)
	}
	return durable.WriteFile(fsys, filepath.Join(dir, LineageName), append(text, '\n'), fileMode)
}

// readLineage returns nil where a block has none: a Tempo or a person put it
// there.
func readLineage(fsys durable.FS, dir string) (*Lineage, error) {
	text, err := durable.ReadFile(fsys, filepath.Join(dir, LineageName), maxLineage)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l := new(Lineage)
	if err := json.Unmarshal(text, l); err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", LineageName, dir, err)
	}
	if l.Version != lineageVersion {
		return nil, fmt.Errorf("%s of %s has version %d, and only %d is known", LineageName, dir, l.Version, lineageVersion)
	}
	return l, nil
}
