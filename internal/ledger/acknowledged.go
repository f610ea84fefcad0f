package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"appliance/internal/durable"
)

// Acknowledged is loss that an operator has seen and can do nothing about, in
// spans. It stays in the account, and is no alarm any more.
type Acknowledged struct {
	Damaged     int64 `json:"damaged_spans"`
	Unaccounted int64 `json:"unaccounted_spans"`
}

// Spans are all that is acknowledged.
func (a Acknowledged) Spans() int64 { return a.Damaged + a.Unaccounted }

// ReadAcknowledged reads what was acknowledged, from the file at path; nothing,
// if there is none.
func ReadAcknowledged(fsys durable.FS, path string) (Acknowledged, error) {
	var a Acknowledged
	text, err := durable.ReadFile(fsys, path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		return Acknowledged{}, fmt.Errorf("read which loss was acknowledged from %s: %w; acknowledge it again, after removing that file", path, err)
	}
	return a, nil
}

// Acknowledge adds what an account shows as lost to the file at path, durably,
// and returns all that is acknowledged then. One process at a time may do it.
func Acknowledge(fsys durable.FS, path string, seen Account) (Acknowledged, error) {
	a, err := ReadAcknowledged(fsys, path)
	if err != nil {
		return a, err
	}
	a.Damaged += seen.Damaged
	a.Unaccounted += seen.Unaccounted
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return a, err
	}
	if err := durable.WriteFile(fsys, path, append(text, '\n'), 0o644); err != nil {
		return a, fmt.Errorf("write down that loss is acknowledged: %w", err)
	}
	return a, nil
}

// Acknowledge has a ledger's accounts say of so many lost spans that they are
// acknowledged.
func (l *Ledger) Acknowledge(a Acknowledged) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acknowledged = a
}

// acknowledge moves loss that is acknowledged to a place of its own, but no more
// than there is: a segment may have come back.
func (a *Account) acknowledge(seen Acknowledged) {
	damaged, unaccounted := min(seen.Damaged, a.Damaged), min(seen.Unaccounted, a.Unaccounted)
	a.Damaged -= damaged
	a.Unaccounted -= unaccounted
	a.AcknowledgedLoss = damaged + unaccounted
}
