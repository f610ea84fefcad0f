package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"appliance/archive"
	"appliance/forwarder"
	"appliance/internal/blockstore"
	"appliance/internal/ledger"
	"appliance/internal/tail"
)

const (
	statusPath  = "/api/v1/status"
	maxStatus   = 4 << 20 // bytes of its answer
	watchEvery  = time.Second
	statusLimit = 5 * time.Second // for an answer
)

// status is what GET /api/v1/status answers; `appliance status` prints it.
type status struct {
	Version   string             `json:"version"`
	Uptime    float64            `json:"uptime_seconds"`
	Ready     bool               `json:"ready"`
	NotReady  string             `json:"not_ready,omitempty"` // why
	Tempo     tempoStatus        `json:"tempo"`
	Ledger    ledger.Account     `json:"ledger"`
	Spool     spoolStatus        `json:"spool"`
	Store     *blockstore.Status `json:"store,omitempty"`     // absent with a Tempo elsewhere
	Forwarder *forwarderStatus   `json:"forwarder,omitempty"` // absent without one
	Sampler   samplerStatus      `json:"sampler"`
	Tail      *tail.Status       `json:"tail,omitempty"` // absent where tail sampling is off
	Disks     []diskStatus       `json:"disks"`
	Archive   *archiveStatus     `json:"archive,omitempty"` // absent where nothing is archived
}

type archiveStatus struct {
	archive.Status
	NotRunning string `json:"not_running,omitempty"` // why
	NotPruned  string `json:"not_pruned,omitempty"`  // why nothing is pruned, though archive.keep says so
}

type tempoStatus struct {
	Where string `json:"where"` // embedded: spans are stored here; or elsewhere
	URL   string `json:"url,omitempty"`
	Ready bool   `json:"ready"`
}

type spoolStatus struct {
	Bytes              int64     `json:"bytes"`
	MaxBytes           int64     `json:"max_bytes"`
	PendingRecords     int64     `json:"pending_records"`
	Oldest             time.Time `json:"oldest,omitzero"` // when the oldest of them was received
	Segments           int       `json:"segments"`
	UnreadableSegments int       `json:"unreadable_segments"`
	QuarantinedBytes   int64     `json:"quarantined_bytes"`
	LastError          string    `json:"last_error,omitempty"`
}

type forwarderStatus struct {
	// Proof is how a record leaves the spool: settled, Tempo acknowledged its spans
	// and has had the time to write them.
	Proof string `json:"proof"`
	forwarder.Stats
}

type samplerStatus struct {
	Probability          float64 `json:"probability"`
	TargetSpansPerSecond float64 `json:"target_spans_per_second"`
	Pressure             bool    `json:"pressure"` // a full spool lowers the target
}

func (a *appliance) status() status {
	st := a.spool.Status()
	s := status{
		Version: version, Uptime: time.Since(a.began).Seconds(), Ready: true, Ledger: a.account(),
		Spool: spoolStatus{
			Bytes: st.Bytes, MaxBytes: st.MaxBytes, PendingRecords: st.Pending.Records, Oldest: st.Oldest, Segments: len(st.Segments),
			UnreadableSegments: st.UnreadableSegments, QuarantinedBytes: st.QuarantinedBytes, LastError: st.LastError,
		},
		Sampler: samplerStatus{a.sampler.Stats().Probability, a.sampler.Stats().Target, a.underPressure()},
		Disks:   *a.disks.known.Load(),
	}
	if err := a.ready(); err != nil {
		s.Ready, s.NotReady = false, err.Error()
	}
	s.Archive = a.archiveStatus()
	if why := a.archive.unpruned.Load(); why != nil && *why != "" {
		if s.Archive == nil { // nothing is archived, and the archive is pruned
			s.Archive = &archiveStatus{}
		}
		s.Archive.NotPruned = *why
	}
	if a.tail != nil {
		t := a.tail.Status()
		s.Tail = &t
	}
	a.storage.status(&s)
	return s
}

func (a *appliance) serveStatus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(a.status()) // the client has gone
}

func newStatusCommand() *cobra.Command {
	var reach clientFlags
	var watch bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what became of every span, and how the spool, the blocks and the archive are",
		Long: `Ask a running appliance what became of every span:

  received = kept + sampled out + rejected + ruled out
  kept     = pending + stuck + proven + discarded + damaged + unaccounted + acknowledged loss

pending spans are in the spool; proven ones were read back from a block that survives any crash, or, with a Tempo
elsewhere, were acknowledged long enough ago (the forwarder's proof is "settled" then). stuck ones are those that such a
Tempo does not take while it takes others (appliance spool stuck). unaccounted is 0, or something is wrong. Exit code 3 says
that spans are damaged or unaccounted for; "appliance spool acknowledge-loss" makes that acknowledged loss.`,
		Args: cobra.NoArgs,
	}
	output := addOutputFlag(c, reportOutputs)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		format, err := output()
		if err != nil {
			return err
		}
		from, err := reach.open(cmd)
		if err != nil {
			return err
		}
		return showStatus(cmd.Context(), cmd.OutOrStdout(), from, format, watch)
	}
	reach.add(c)
	c.Flags().BoolVarP(&watch, "watch", "w", false, "show it again every second")
	return addConfigFlags(c, "http.listen")
}

func showStatus(ctx context.Context, out io.Writer, from *asker, output string, watch bool) error {
	f, isFile := out.(interface{ Fd() uintptr })
	clearScreen := watch && output == "text" && isFile && isatty.IsTerminal(f.Fd())
	var last *status
	for {
		body, s, err := fetchStatus(ctx, from)
		if err != nil {
			return err
		}
		if clearScreen {
			fmt.Fprint(out, "\x1b[H\x1b[2J")
		}
		if output == "json" {
			_, err = out.Write(body)
		} else {
			_, err = io.WriteString(out, statusText(s, last))
		}
		if err != nil {
			return err
		}
		if !watch {
			if s.Ledger.Unaccounted != 0 || s.Ledger.Damaged != 0 {
				return &codeError{exitPartial, fmt.Errorf("%s damaged and %d unaccounted for", several(s.Ledger.Damaged, "span"), s.Ledger.Unaccounted)}
			}
			return nil
		}
		last = &s
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchEvery):
		}
	}
}

func fetchStatus(ctx context.Context, from *asker) ([]byte, status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	var s status
	a, err := from.get(ctx, statusPath, maxStatus)
	if err != nil {
		return nil, s, err
	}
	if a.status != http.StatusOK {
		return nil, s, fmt.Errorf("%s answers %d %s", from.base+statusPath, a.status, http.StatusText(a.status))
	}
	if err := json.Unmarshal(a.body, &s); err != nil {
		return nil, s, fmt.Errorf("%s does not answer as an appliance does: %w", from.base+statusPath, err)
	}
	return a.body, s, nil
}
