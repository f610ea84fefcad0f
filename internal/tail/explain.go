package tail

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"appliance/internal/durable"
)

// Explanation is a verdict on a trace that was written.
type Explanation struct {
	Tenant string    `json:"tenant"`
	Rule   string    `json:"rule"` // empty: no rule matched
	Time   time.Time `json:"time"`
	// Threshold is of 2^56: spans with less randomness are left out.
	Threshold   uint64 `json:"threshold"`
	Kept        bool   `json:"kept"` // going by the trace id
	Spans       uint64 `json:"spans"`
	Early       bool   `json:"early"`
	RootMissing bool   `json:"root_missing"`
}

// Probability is the share of traces that the threshold keeps.
func (e *Explanation) Probability() float64 { return float64(keepNone-e.Threshold) / keepNone }

// By names what decided, for a person.
func (e *Explanation) By() string {
	if e.Rule == "" {
		return "no rule"
	}
	return fmt.Sprintf("rule %q", e.Rule)
}

// Explain reads the verdicts on a trace, oldest first, with or without a Line
// that is running. fsys nil is durable.OS.
func Explain(fsys durable.FS, dir string, id [16]byte) ([]Explanation, error) {
	if fsys == nil {
		fsys = durable.OS
	}
	var found []Explanation
	err := eachVerdict(fsys, dir, func(f *frame, t *decided) {
		if t.id == id {
			found = append(found, explanation(f, t))
		}
	})
	slices.SortStableFunc(found, func(a, b Explanation) int { return a.Time.Compare(b.Time) })
	return found, err
}

func explanation(f *frame, t *decided) Explanation {
	o := f.outcomes[t.outcome]
	return Explanation{
		Tenant: f.tenants[t.tenant], Rule: o.rule, Time: time.Unix(0, f.time), Threshold: o.threshold,
		Kept: randomness(t.id) >= o.threshold, Spans: t.spans,
		Early: t.flags&decidedEarly != 0, RootMissing: t.flags&rootMissing != 0,
	}
}

// eachVerdict calls yield with each verdict that was written.
func eachVerdict(fsys durable.FS, dir string, yield func(*frame, *decided)) error {
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read verdicts: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		_, _, err := readSegment(fsys, filepath.Join(dir, e.Name()), func(f *frame) {
			for i := range f.traces {
				yield(f, &f.traces[i])
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}
