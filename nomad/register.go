package nomad

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// ConflictError means that somebody else changed the job since it was looked
// at. Nothing was changed by us.
type ConflictError struct {
	Job  string
	Seen uint64 // the index that was looked at
	Now  uint64 // the index that the job has, 0 where it is not known
}

func (e *ConflictError) Error() string {
	switch {
	case e.Seen == 0:
		return fmt.Sprintf("job %s was registered by somebody else meanwhile; nothing was changed. Look at it with: appliance nomad plan", e.Job)
	case e.Now == 0:
		return fmt.Sprintf("job %s was changed or removed by somebody else since index %d; nothing was changed by us. Look at it with: appliance nomad plan", e.Job, e.Seen)
	}
	return fmt.Sprintf("job %s was changed by somebody else: it is at index %d, and was looked at at %d; nothing was changed by us. Look at it with: appliance nomad plan", e.Job, e.Now, e.Seen)
}

// Register submits the job of a plan, if the job is still what the plan has
// seen (compare and swap by index), and returns the id of the evaluation.
func (c *Cluster) Register(ctx context.Context, p *Plan, index uint64) (evaluation string, warnings string, err error) {
	answer, _, err := c.client.Jobs().RegisterOpts(p.Job, &api.RegisterOptions{
		EnforceIndex: true, ModifyIndex: index,
		Submission: &api.JobSubmission{Source: string(HCL(p.Job)), Format: "hcl2"},
	}, c.write(ctx))
	if err != nil && strings.Contains(err.Error(), api.RegisterEnforceIndexErrPrefix) {
		conflict := &ConflictError{Job: *p.Job.ID, Seen: index}
		if current, err := c.job(ctx, *p.Job.ID); err == nil && current != nil && current.JobModifyIndex != nil {
			conflict.Now = *current.JobModifyIndex
		}
		return "", "", conflict
	}
	if err == nil && answer.EvalID == "" { // which each job of ours has
		err = &notNomadError{"it has no EvalID"}
	}
	if err != nil {
		return "", "", fmt.Errorf("register job %s: %w", *p.Job.ID, Readable(err))
	}
	return answer.EvalID, answer.Warnings, nil
}

// AwaitPlaceable plans again until what was missing (a volume that was just
// created and that its node has yet to announce) is there, or for the patience.
// It returns the last plan.
func (c *Cluster) AwaitPlaceable(ctx context.Context, job *api.Job) (*Plan, error) {
	over := time.After(volumePatience)
	for {
		p, err := c.Plan(ctx, job)
		if err != nil || !p.MissesVolume() {
			return p, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-over:
			return p, nil
		case <-time.After(pollEvery):
		}
	}
}

// PlacementError means that Nomad found no place for a group.
type PlacementError struct{ Reasons []string }

func (e *PlacementError) Error() string {
	return "the job cannot be placed:\n  " + strings.Join(e.Reasons, "\n  ")
}

// EvaluationError means that Nomad ended an evaluation without placing anything.
type EvaluationError struct {
	ID     string
	Status string // failed, canceled
	Detail string // Nomad's own description
}

func (e *EvaluationError) Error() string {
	if e.Status == "canceled" {
		return fmt.Sprintf("evaluation %s was canceled: %s; a later change of the job took its place. Look at it with: appliance nomad status", short(e.ID), e.Detail)
	}
	return fmt.Sprintf("evaluation %s %s: %s; nothing was placed. Look at it with: nomad eval status %s", short(e.ID), e.Status, e.Detail, short(e.ID))
}

// DeployError means that a deployment did not become healthy.
type DeployError struct {
	Status   string   // failed, cancelled
	Detail   string   // Nomad's own description; it names the version that was brought back
	Reverted bool     // an earlier version was brought back
	Reasons  []string // what the allocations went through, and their last log lines
}

func (e *DeployError) Error() string {
	text := "the deployment " + e.Status + ": " + e.Detail
	if e.Reverted {
		text += " (the earlier version was brought back)"
	}
	if len(e.Reasons) > 0 {
		text += "\n  " + strings.Join(e.Reasons, "\n  ")
	}
	return text
}

// errGone is for a deployment or evaluation that Nomad does not know any more.
var errGone = errors.New("forgotten by Nomad, since the job was purged or changed meanwhile")
