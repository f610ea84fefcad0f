package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"appliance/cmd/appliance/serve"
	"appliance/internal/durable"
	"appliance/internal/ledger"
	"appliance/internal/plural"
	"appliance/internal/spool"
)

func newSpoolCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "spool",
		Short: "Look into the spool on disk, with or without a running appliance",
	}
	c.AddCommand(newSpoolStatusCommand(), newSpoolVerifyCommand(), newSpoolStuckCommand(), newSpoolAcknowledgeCommand())
	return c
}

func newSpoolStatusCommand() *cobra.Command {
	return spoolCommand("status", "Show what is in the spool", "Nothing is changed. Counts of a running appliance are in: appliance status.\nExit code 3 says that spans are lost to damage, more than are acknowledged, or that segments cannot be read.", segmentOutputs, func(w io.Writer, dir, output string) error {
		st, err := spool.Inspect(nil, dir)
		if err != nil {
			return err
		}
		switch output {
		case "json":
			err = writeJSON(w, st)
		case "jsonl":
			err = writeList(w, output, st.Segments, nil)
		default:
			writeSpool(w, dir, st)
		}
		if err != nil {
			return err
		}
		seen, err := ledger.ReadAcknowledged(durable.OS, serve.AcknowledgedFile(filepath.Dir(dir)))
		if err != nil {
			return err
		}
		if st.UnreadableSegments > 0 || st.Lost.Spans > seen.Damaged {
			return &codeError{exitPartial, fmt.Errorf("%s lost to damage and %s unreadable; see: appliance spool verify", several(st.Lost.Spans, "span"), several(st.UnreadableSegments, "segment"))}
		}
		return nil
	})
}

func writeSpool(w io.Writer, dir string, st spool.Status) {
	fmt.Fprintf(w, "%s  %s in %s\n", dir, humanize.IBytes(uint64(st.Bytes)), several(len(st.Segments), "segment"))
	row := func(name string, c spool.Counts) {
		fmt.Fprintf(w, "  %-10s %15s %-5s %12s %s\n", name,
			humanize.Comma(c.Spans), plural.Noun(c.Spans, "span"), humanize.Comma(c.Records), plural.Noun(c.Records, "record"))
	}
	row("pending", st.Pending.Counts)
	if st.Stuck.Spans > 0 {
		row("stuck", st.Stuck.Counts)
	}
	row("released", st.Released.Counts)
	row("lost", st.Lost.Counts)
	if !st.Oldest.IsZero() {
		fmt.Fprintf(w, "  oldest pending record: %s\n", st.Oldest.Format(time.RFC3339))
	}
	for _, g := range st.Segments {
		sealed := "no footer yet" // being written, or left by a crash
		if g.Sealed != nil && *g.Sealed {
			sealed = "sealed"
		}
		fmt.Fprintf(w, "  %-24s %9s  %12s %s, %s pending, %s\n", g.Name, humanize.IBytes(uint64(g.Bytes)),
			humanize.Comma(g.Total.Spans), plural.Noun(g.Total.Spans, "span"), humanize.Comma(g.Pending.Spans), sealed)
	}
}

func newSpoolVerifyCommand() *cobra.Command {
	return spoolCommand("verify", "Read every byte of the spool and say what is damaged",
		"Nothing is changed. What a running appliance is writing just now can show as torn, which is no damage.\nExit code 3 says that something is damaged that was acknowledged.",
		reportOutputs, func(w io.Writer, dir, output string) error {
			r, err := spool.Verify(nil, dir)
			if err != nil {
				return err
			}
			if output == "json" {
				if err := writeJSON(w, r); err != nil {
					return err
				}
			} else {
				fmt.Fprintf(w, "%s: %s in %s intact, of %s in %s\n", dir, several(r.Intact.Spans, "span"), several(r.Intact.Records, "record"), humanize.IBytes(uint64(r.Bytes)), several(r.Segments, "segment"))
				for _, d := range r.Damage {
					what := fmt.Sprintf("%s in %s lost", several(d.Lost.Spans, "span"), several(d.Lost.Records, "record"))
					if d.Torn {
						what = "torn by a crash, nothing acknowledged was in it"
					} else if d.Lost.Records == 0 {
						what = "nothing lost"
					}
					fmt.Fprintf(w, "  damaged: %s, %d bytes: %s\n", d.Position, d.Bytes, what)
				}
				for _, name := range r.Unreadable {
					fmt.Fprintf(w, "  cannot be read: %s\n", name)
				}
				if r.State != "" {
					fmt.Fprintf(w, "  state: %s\n", r.State)
				}
			}
			if !r.Sound() {
				return &codeError{exitPartial, fmt.Errorf("the spool is damaged; the rest of it is intact, and serve goes on with that and keeps a copy of what is damaged in %s", filepath.Join(dir, "quarantine"))}
			}
			return nil
		})
}

// spoolCommand is a command on the spool of data_dir.
func spoolCommand(use, short, long string, outputs []string, run func(w io.Writer, dir, output string) error) *cobra.Command {
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  short + ". " + long,
		Args:  cobra.NoArgs,
	}
	output := addOutputFlag(c, outputs)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		output, err := output()
		if err != nil {
			return err
		}
		conf, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		err = run(cmd.OutOrStdout(), filepath.Join(conf.DataDir, "spool"), output)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w; set data_dir to that of the appliance", err)
		}
		return err
	}
	return addConfigFlags(c, "data_dir")
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
