package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"appliance/internal/durable"
)

const (
	stuckName   = "stuck" // below the spool's directory
	stuckSuffix = ".stuck"
	stuckMagic  = "aplstuck"
	maxStuck    = MaxPayload + 1<<20 // bytes of a file
)

// StuckID names a stuck record for good: the segment and the place that it had.
type StuckID string

// stuckID names the record at a place of a segment.
func stuckID(i identity, offset int64) StuckID { return StuckID(fmt.Sprintf("%s-%08x", i, offset)) }

// place is the inverse of stuckID.
func (id StuckID) place() (i identity, offset int64, ok bool) {
	cut := strings.LastIndexByte(string(id), '-')
	if cut < 0 {
		return i, 0, false
	}
	if i, ok = parseIdentity(string(id[:cut])); !ok {
		return i, 0, false
	}
	if _, err := fmt.Sscanf(string(id[cut+1:]), "%x", &offset); err != nil || stuckID(i, offset) != id {
		return i, 0, false
	}
	return i, offset, true
}

// StuckEntry is a record that was set aside.
type StuckEntry struct {
	ID StuckID `json:"id"`
	Record
	Since time.Time // when it was set aside
	Why   string    // what was said when it was tried, for a person
}

// stuckMeta is the second line of its file.
type stuckMeta struct {
	Tenant   string    `json:"tenant"`
	Spans    int       `json:"spans"`
	Received time.Time `json:"received,omitzero"`
	Since    time.Time `json:"since"`
	Why      string    `json:"why"`
}

// encodeStuck is a line with the CRC32C of the second line and that of the
// payload, the second line, and the payload.
func encodeStuck(e StuckEntry) ([]byte, error) {
	meta, err := json.Marshal(stuckMeta{e.Tenant, e.Spans, e.Time, e.Since, e.Why})
	if err != nil {
		return nil, fmt.Errorf("encode a stuck record: %w", err)
	}
	b := make([]byte, 0, len(meta)+len(e.Payload)+64)
	b = fmt.Appendf(b, "%s %d %08x %08x\n", stuckMagic, formatVersion, payloadSum(meta), payloadSum(e.Payload))
	b = append(append(b, meta...), '\n')
	return append(b, e.Payload...), nil
}

// decodeStuck reads what encodeStuck made. With ErrDamaged it returns what is
// still known of it.
func decodeStuck(id StuckID, b []byte) (StuckEntry, error) {
	e := StuckEntry{ID: id}
	damaged := fmt.Errorf("read stuck record %s: %w", id, ErrDamaged)
	first, rest, _ := bytes.Cut(b, []byte("\n"))
	second, payload, _ := bytes.Cut(rest, []byte("\n"))
	var version int
	var metaSum, sum uint32
	if n, err := fmt.Sscanf(string(first), stuckMagic+" %d %08x %08x", &version, &metaSum, &sum); n != 3 || err != nil {
		return e, damaged
	}
	if version != formatVersion {
		return e, fmt.Errorf("stuck record %s: %w %d, want %d", id, ErrVersion, version, formatVersion)
	}
	var m stuckMeta
	if payloadSum(second) != metaSum || json.Unmarshal(second, &m) != nil {
		return e, damaged
	}
	e.Record = Record{Tenant: m.Tenant, Spans: m.Spans, Time: m.Received}
	e.Since, e.Why = m.Since, m.Why
	if payloadSum(payload) != sum {
		return e, damaged
	}
	e.Payload = payload
	return e, nil
}

func stuckPath(dir string, id StuckID) string {
	return filepath.Join(dir, stuckName, string(id)+stuckSuffix)
}

// readStuck reads the file of a stuck record. Damage that a second look does
// not find is none.
func readStuck(fsys durable.FS, dir string, id StuckID) (e StuckEntry, size int64, err error) {
	for range 2 {
		b, readErr := durable.ReadFile(fsys, stuckPath(dir, id), maxStuck)
		if errors.Is(readErr, fs.ErrNotExist) {
			return StuckEntry{}, 0, fmt.Errorf("read stuck record %s: %w", id, ErrGone)
		}
		if readErr != nil {
			return StuckEntry{}, 0, fmt.Errorf("read stuck record %s: %w", id, readErr)
		}
		if e, err = decodeStuck(id, b); !errors.Is(err, ErrDamaged) {
			return e, int64(len(b)), err
		}
		size = int64(len(b))
	}
	return e, size, err
}

// listStuck lists the stuck records of the spool in dir; none where there is no
// such directory.
func listStuck(fsys durable.FS, dir string) (ids []StuckID, err error) {
	entries, err := fsys.ReadDir(filepath.Join(dir, stuckName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list what is stuck: %w", err)
	}
	for _, e := range entries {
		id := StuckID(strings.TrimSuffix(e.Name(), stuckSuffix))
		if _, _, ok := id.place(); ok && strings.HasSuffix(e.Name(), stuckSuffix) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// InspectStuck lists what is stuck in the spool in dir without changing
// anything, with or without a server that is running there. fsys nil is
// durable.OS. What is damaged is left out.
func InspectStuck(fsys durable.FS, dir string) ([]StuckEntry, error) {
	if fsys == nil {
		fsys = durable.OS
	}
	ids, err := listStuck(fsys, dir)
	if err != nil {
		return nil, err
	}
	var list []StuckEntry
	for _, id := range ids {
		e, _, err := readStuck(fsys, dir, id)
		if errors.Is(err, ErrGone) || errors.Is(err, ErrDamaged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}
