package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"appliance/nomad"
)

// Exit codes of `nomad plan`, those of Nomad's own.
const (
	exitChanges   = 1
	exitPlanError = 255
)

func newNomadPlanCommand() *cobra.Command {
	f := &nomadFlags{}
	c := &cobra.Command{
		Use:   "plan",
		Short: "Show what register would change",
		Long: `Show what register would change, and what would keep the job from being placed. Nothing is changed.

Exit codes, as those of nomad job plan: 0 no change, 1 changes, 255 error; and 2 for a mistake in the command line or the
configuration.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.built(cmd)
			if err != nil {
				return err
			}
			cluster, err := f.cluster(cmd)
			if err != nil {
				return err
			}
			job, err := s.Build()
			if err != nil {
				return err
			}
			writeNotes(cmd.ErrOrStderr(), s)
			p, err := cluster.Plan(cmd.Context(), job)
			if err != nil {
				return &codeError{exitPlanError, err}
			}
			out := cmd.OutOrStdout()
			if err := writePlan(out, p); err != nil {
				return &codeError{exitPlanError, err}
			}
			if p.Foreign() {
				fmt.Fprintf(out, "\nThere is a job %s that the appliance did not make; register needs --adopt to take it over.\n", s.Job)
			}
			fmt.Fprintf(out, "\nTo register exactly this, and only if nobody changes the job meanwhile, give the same options again:\n  appliance nomad register ... --check-index %d\n", p.Index)
			if p.Changes() {
				return &codeError{exitChanges, nil}
			}
			return nil
		},
	}
	f.addSpec(c)
	f.addAccess(c.Flags())
	return c
}

// writePlan writes the difference and what stands in the way of a placement.
func writePlan(w io.Writer, p *nomad.Plan) error {
	if err := nomad.WriteDiff(w, p.Diff, p.Updates, colored(w)); err != nil {
		return err
	}
	var text string
	for line := range strings.Lines(p.Warnings) {
		if warning, ok := strings.CutPrefix(strings.TrimSpace(line), "* "); ok {
			text += "\nNomad warns: " + warning + "\n"
		}
	}
	if lines := nomad.Explain(p.Failed); len(lines) > 0 {
		text += "\nNot all can be placed:\n  " + strings.Join(lines, "\n  ") + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

// codeError ends the program with a code of its own; without an error nothing is printed.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// codeOf is the exit code that an error asks for.
func codeOf(err error) (code int, silent, ok bool) {
	var c *codeError
	if !errors.As(err, &c) {
		return 0, false, false
	}
	return c.code, c.err == nil, true
}
