package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"appliance/archive"
)

func newArchiveVerifyCommand(f *archiveFlags) *cobra.Command {
	var data bool
	var subset string
	c := &cobra.Command{
		Use:   "verify [BLOCK...]",
		Short: "Hold the archive against what was archived",
		Long: `Hold every archived block, or those that are named, against its manifest: each file is there and has its size. With
--read-data every byte is read, and any changed bit is found. What is found is written down: list shows damaged blocks, and
prune deletes only blocks whose data was verified. --subset spreads the reading: seven days, 1/7 to 7/7, verify everything.
Exit code 3 says that something is damaged or missing; what to do is said then.`,
		Example: `  appliance archive verify
  appliance archive verify --read-data --subset $(date +%u)/7`,
		ValidArgsFunction: f.blockCompletion,
		Args:              cobra.ArbitraryArgs,
	}
	c.Flags().BoolVar(&data, "read-data", false, "read every byte")
	c.Flags().StringVar(&subset, "subset", "", "only a share of the blocks, such as 1/7; the shares together are all")
	return f.command(c, seesSource, reportOutputs, func(ctx context.Context, a *openedArchive, out io.Writer, args []string) error {
		o := archive.VerifyOptions{ReadData: data, Blocks: args}
		if subset != "" {
			var err error
			if o.Part, o.Parts, err = parseSubset(subset); err != nil {
				return wrongUsage(c, err)
			}
			if len(args) > 0 {
				return wrongUsage(c, errors.New("--subset and named blocks exclude each other"))
			}
		}
		p := a.progress("verifying", !data)
		o.Progress = p.update
		rep, err := a.Verify(ctx, o)
		p.end()
		if ctx.Err() != nil && rep != nil {
			return &codeError{exitPartial, fmt.Errorf("interrupted after %s, %d of them damaged", several(rep.Blocks, "block"), len(damagedBlocks(rep)))}
		} else if err != nil {
			return err
		}
		if a.output == "json" {
			err = writeJSON(out, rep)
		} else {
			err = writeVerified(out, rep, data)
		}
		if err != nil || !rep.Damaged() {
			return err
		}
		if err := a.adviseRepair(ctx, rep); err != nil {
			return err
		}
		return &codeError{exitPartial, fmt.Errorf("the archive is not as it was: %s damaged, %d missing", several(len(damagedBlocks(rep)), "block"), len(rep.Missing))}
	})
}

func parseSubset(text string) (part, parts int, err error) {
	first, second, ok := strings.Cut(text, "/")
	part, err1 := strconv.Atoi(first)
	parts, err2 := strconv.Atoi(second)
	if !ok || err1 != nil || err2 != nil || part < 1 || part > parts {
		return 0, 0, fmt.Errorf("--subset %q is not a share such as 1/7", text)
	}
	return part, parts, nil
}

func writeVerified(w io.Writer, rep *archive.VerifyReport, data bool) error {
	var b strings.Builder
	for _, d := range rep.Damage {
		fmt.Fprintf(&b, "damaged     %s/%s  %s\n", d.Tenant, d.Block, strings.TrimSpace(d.File+" "+d.What))
	}
	for _, name := range rep.Missing {
		fmt.Fprintf(&b, "missing     %s\n", name)
	}
	for _, name := range rep.Incomplete {
		fmt.Fprintf(&b, "incomplete  %s  copied in part; nothing is lost by it\n", name)
	}
	if rep.CatalogError != "" {
		fmt.Fprintf(&b, "catalog     was damaged and is written again: %s\n", rep.CatalogError)
	}
	how := "names and sizes are compared"
	if data {
		how = sizeText(rep.Bytes) + " are read"
	}
	fmt.Fprintf(&b, "%s: %s, %d damaged, %d missing\n", several(rep.Blocks, "block"), how, len(damagedBlocks(rep)), len(rep.Missing))
	_, err := io.WriteString(w, b.String())
	return err
}

// damagedBlocks are those with any damage, as tenant/block, in order.
func damagedBlocks(rep *archive.VerifyReport) []string {
	var all []string
	for _, d := range rep.Damage {
		if name := d.Tenant + "/" + d.Block; len(all) == 0 || all[len(all)-1] != name {
			all = append(all, name)
		}
	}
	return all
}

// adviseRepair says for each block what can be done about it.
func (a *openedArchive) adviseRepair(ctx context.Context, rep *archive.VerifyReport) error {
	blocks, err := a.List(ctx, archive.Filter{Source: a.source})
	if err != nil {
		return fmt.Errorf("look for other copies of what is damaged: %w", err)
	}
	elsewhere := map[string]bool{} // in the source, or whole under another id of the archive
	for _, b := range blocks {
		elsewhere[b.Tenant+"/"+b.ID] = elsewhere[b.Tenant+"/"+b.ID] || b.InSource
		if b.DerivedFrom != "" && b.State == archive.StateArchived {
			elsewhere[b.Tenant+"/"+b.DerivedFrom] = true
		}
	}
	var repairable, lost []string
	for _, name := range append(damagedBlocks(rep), rep.Missing...) {
		if elsewhere[name] {
			repairable = append(repairable, name)
		} else {
			lost = append(lost, name)
		}
	}
	if len(repairable) > 0 {
		fmt.Fprintf(a.stderr, "There is another copy of what is damaged, in the source or in the archive; make it whole with:\n  appliance archive repair %s\n", strings.Join(repairable, " "))
	}
	if len(lost) == 0 {
		return nil
	}
	if a.source == nil {
		fmt.Fprintln(a.stderr, "Name with --source where the blocks came from, to see whether what is damaged is still there.")
	}
	fmt.Fprintf(a.stderr, `No other copy is known of %s. With a replica or a backup of the archive make it whole:
  appliance archive repair %s --from URL
or give up what it holds:
  appliance archive repair %s --drop
Until then find and search leave out what they cannot read, and say so. Look for the cause: the disk, or who else writes there.
`, strings.Join(lost, ", "), strings.Join(lost, " "), strings.Join(lost, " "))
	return nil
}
