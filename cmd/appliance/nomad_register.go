package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"appliance/nomad"
)

func newNomadRegisterCommand() *cobra.Command {
	f := &nomadFlags{}
	r := &registration{}
	var index int64
	c := &cobra.Command{
		Use:   "register",
		Short: "Register the job and watch it become healthy",
		Long: `Register the job and watch it become healthy. The job is made of the options given: an update needs those of before too. Nothing is done where nothing differs. The host volume is created where there is none.

A job of the name that the appliance did not make is left alone without --adopt, and so is a job that somebody else changes at the same time.
Exit codes: 0 healthy, or nothing to do; 1 not placed, not healthy, brought back to its earlier version, or refused, with the reason.`,
		Example: `  appliance nomad register --image registry.example/appliance:1.0
  appliance nomad register --var-file tempo.vars.hcl --image registry.example/appliance:1.1   # an update; brought back by itself where it does not get healthy`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.built(cmd)
			if err != nil {
				return err
			}
			if r.cluster, err = f.cluster(cmd); err != nil {
				return err
			}
			if cmd.Flags().Changed("check-index") {
				r.index = &index
			}
			r.spec, r.out, r.log = s, cmd.OutOrStdout(), cmd.ErrOrStderr()
			return r.run(cmd.Context())
		},
	}
	c.Flags().BoolVar(&r.adopt, "adopt", false, "take over a job of the name that the appliance did not make")
	c.Flags().BoolVar(&r.detach, "detach", false, "do not wait; register even what cannot be placed now")
	c.Flags().Int64Var(&index, "check-index", 0, "register only if the job is still at this index, as plan printed it; 0: only if there is none")
	f.addSpec(c)
	f.addAccess(c.Flags())
	return c
}

// registration is one run of the command.
type registration struct {
	cluster       *nomad.Cluster
	spec          nomad.Spec
	adopt, detach bool
	index         *int64
	out, log      io.Writer
}

func (r *registration) say(text string) {
	fmt.Fprintln(r.log, time.Now().Format(time.TimeOnly)+"  "+text)
}

func (r *registration) run(ctx context.Context) error {
	writeNotes(r.log, r.spec)
	job, err := r.spec.Build()
	if err != nil {
		return err
	}
	p, err := r.cluster.Plan(ctx, job)
	if err != nil {
		return err
	}
	seen := p.Index
	if err := writePlan(r.log, p); err != nil {
		return err
	}
	if r.index != nil && uint64(*r.index) != seen {
		return &nomad.ConflictError{Job: r.spec.Job, Seen: uint64(*r.index), Now: seen}
	}
	if p.Foreign() && !r.adopt {
		return fmt.Errorf("job %s was not made by the appliance; nothing was changed. What would differ stands above; --adopt takes the job over, --job gives ours another name", r.spec.Job)
	}
	if !p.Changes() {
		fmt.Fprintf(r.out, "job %s is registered like this already; nothing to do\n", r.spec.Job)
		return nil
	}
	if p.MissesVolume() {
		if err := r.cluster.CreateVolumes(ctx, r.spec, r.say); err != nil {
			return err
		}
		if p, err = r.cluster.AwaitPlaceable(ctx, job); err != nil {
			return err
		}
	}
	if len(p.Failed) > 0 && !r.detach {
		return &nomad.PlacementError{Reasons: append(nomad.Explain(p.Failed), "nothing was registered; --detach registers nevertheless, and Nomad places it when it can")}
	}
	evaluation, _, err := r.cluster.Register(ctx, p, seen)
	if err != nil {
		return err
	}
	r.say(fmt.Sprintf("job %s registered, evaluation %.8s", r.spec.Job, evaluation))
	if r.detach {
		fmt.Fprintf(r.out, "job %s is registered; see appliance nomad status\n", r.spec.Job)
		return nil
	}
	if err := r.cluster.Follow(ctx, r.spec.Job, evaluation, r.say); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("stopped watching; Nomad goes on, see appliance nomad status: %w", ctx.Err())
		}
		return err
	}
	fmt.Fprintf(r.out, "job %s is healthy\n", r.spec.Job)
	return nil
}
