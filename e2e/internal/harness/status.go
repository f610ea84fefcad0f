package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Status is the part of /api/v1/status that tests look at.
type Status struct {
	Ledger    Ledger   `json:"ledger"`
	Forwarder struct { // zero without a Tempo elsewhere
		UnprovenSpans int64 `json:"unproven_spans"`
		ResentSpans   int64 `json:"resent_spans"`
	} `json:"forwarder"`
	Store   Store   `json:"store"` // zero with a Tempo elsewhere
	Tail    Tail    `json:"tail"`  // zero without tail sampling
	Archive Archive `json:"archive"`
}

// Tail is how far tail sampling is, by this process.
type Tail struct {
	UndecidedTraces int64                             `json:"undecided_traces"`
	Early           int64                             `json:"traces_decided_early"`
	Forgotten       int64                             `json:"verdicts_forgotten"`
	LastError       string                            `json:"last_error"`
	Late            int64                             `json:"late_spans"`
	Rules           map[string]struct{ Traces int64 } `json:"rules"`
}

// Store is how the appliance's own blocks are.
type Store struct {
	Blocks     int    `json:"blocks"`     // in place
	LiveSpans  int64  `json:"live_spans"` // in no block yet
	Cut        int64  `json:"blocks_cut"` // by this process, as the following
	Copies     int64  `json:"copies"`
	Merges     int64  `json:"merges"`
	Deleted    int64  `json:"blocks_deleted"`
	Unreadable int64  `json:"blocks_unreadable"`
	LastError  string `json:"last_error"`
}

// Archive is how far archiving and purging are.
type Archive struct {
	NotRunning     string           `json:"not_running"`
	SourceBlocks   int              `json:"source_blocks"`
	PendingBlocks  int              `json:"pending_blocks"`
	CoveredBlocks  int              `json:"covered_blocks"`
	ArchivedBlocks int64            `json:"archived_blocks_total"`
	LastSuccess    time.Time        `json:"last_success"`
	Failures       map[string]int64 `json:"failures_total"`
	LastFailure    string           `json:"last_failure"`
	Gaps           []struct{ Reason string }
	Warnings       []struct{ Setting, Value, Problem, Change string }
	Purge          struct {
		Doubt        string `json:"doubt"`
		HeldBlocks   int    `json:"held_blocks"`
		PurgedBlocks int64  `json:"purged_blocks_total"`
	} `json:"purge"`
}

// Ledger accounts for every span that was ever received.
type Ledger struct {
	Received    int64            `json:"received"`
	Kept        int64            `json:"kept"`
	SampledOut  map[string]int64 `json:"sampled_out"`
	RuledOut    map[string]int64 `json:"ruled_out"`
	Rejected    map[string]int64 `json:"rejected"`
	Pending     int64            `json:"pending"`
	Undecided   int64            `json:"undecided"`
	Proven      int64            `json:"proven"`
	Discarded   map[string]int64 `json:"discarded"`
	Damaged     int64            `json:"damaged"`
	Unaccounted int64            `json:"unaccounted"`
}

// Discards is the sum over the reasons.
func (l Ledger) Discards() int64 { return sum(l.Discarded) }

// Balanced says which of the equations does not hold.
func (l Ledger) Balanced() error {
	if got := l.Kept + sum(l.SampledOut) + sum(l.Rejected) + sum(l.RuledOut); got != l.Received {
		return fmt.Errorf("received is %d, kept + sampled out + rejected + ruled out is %d: %+v", l.Received, got, l)
	}
	if got := l.Pending + l.Proven + l.Discards() + l.Damaged; got != l.Kept {
		return fmt.Errorf("kept is %d, pending + proven + discarded + damaged is %d: %+v", l.Kept, got, l)
	}
	if l.Unaccounted != 0 {
		return fmt.Errorf("%d spans are unaccounted: %+v", l.Unaccounted, l)
	}
	if l.Pending < 0 || l.Proven < 0 || l.Damaged < 0 {
		return fmt.Errorf("less than none: %+v", l)
	}
	return nil
}

func sum(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}

// Status reads /api/v1/status.
func (a *Appliance) Status(ctx context.Context) (Status, error) {
	var s Status
	body, err := a.get(ctx, "/api/v1/status", "application/json")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return s, fmt.Errorf("decode status of %d bytes: %w", len(body), err)
	}
	return s, nil
}
