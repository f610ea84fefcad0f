package nomad

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

const (
	// of a blocking query; short, since allocations change without the deployment
	blockFor       = 2 * time.Second
	followPatience = time.Minute // for a Nomad that does not answer
)

// Follow watches a registration to its end: the evaluation, then the deployment
// until it is healthy. say is called with each thing that happens. The error is
// a *PlacementError, *EvaluationError or *DeployError where it did not end well.
func (c *Cluster) Follow(ctx context.Context, job, evaluation string, say func(string)) error {
	f := &follower{Cluster: c, job: job, say: say, said: map[string]string{}}
	eval, err := f.evaluation(ctx, evaluation)
	if err != nil {
		return err
	}
	if eval.DeploymentID == "" {
		if len(eval.FailedTGAllocs) > 0 {
			return &PlacementError{Explain(eval.FailedTGAllocs)}
		}
		say("nothing had to be deployed")
		return nil
	}
	if len(eval.FailedTGAllocs) > 0 {
		return &PlacementError{append(Explain(eval.FailedTGAllocs), "Nomad goes on trying; `appliance nomad deregister` ends that")}
	}
	return f.deployment(ctx, eval.DeploymentID)
}

type follower struct {
	*Cluster
	job  string
	say  func(string)
	said map[string]string // last text by what it is about
}

// report says a text unless it was the last one about the same thing.
func (f *follower) report(about, text string) {
	if f.said[about] != text {
		f.said[about] = text
		f.say(text)
	}
}

// again calls ask until it wants no more, over the failures of a Nomad that is
// away for a moment, such as one whose leader is being elected. An error with
// which it is done is not one of those.
func (f *follower) again(ctx context.Context, what string, ask func() (done bool, err error)) error {
	failing := time.Time{}
	for {
		done, err := ask()
		switch {
		case done:
			return err
		case err == nil:
			failing = time.Time{}
		case ctx.Err() != nil:
			return ctx.Err()
		case statusOf(err) == http.StatusNotFound:
			return fmt.Errorf("%s: %w", what, errGone)
		case statusOf(err) == http.StatusForbidden:
			return fmt.Errorf("%s: %w", what, Readable(err))
		case failing.IsZero():
			failing = time.Now()
			f.say(fmt.Sprintf("Nomad does not answer (%v); asking again", Readable(err)))
		case time.Since(failing) > followPatience:
			return fmt.Errorf("%s: no answer for %s: %w", what, followPatience, Readable(err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollEvery): // also after an answer: a proxy may give it without blocking
		}
	}
}

func (f *follower) evaluation(ctx context.Context, id string) (eval *api.Evaluation, err error) {
	var index uint64
	err = f.again(ctx, "follow evaluation "+short(id), func() (bool, error) {
		q := f.query(ctx)
		q.WaitIndex, q.WaitTime = index, blockFor
		e, meta, err := f.client.Evaluations().Info(id, q)
		if err = cmp.Or(err, complete(e)); err != nil {
			return false, err
		}
		index, eval = meta.LastIndex, e
		switch e.Status {
		case "complete", "blocked":
			return true, nil
		case "failed", "canceled":
			return true, &EvaluationError{ID: id, Status: e.Status, Detail: e.StatusDescription}
		}
		return false, nil
	})
	return eval, err
}

func (f *follower) deployment(ctx context.Context, id string) error {
	var index uint64
	var last *api.Deployment
	err := f.again(ctx, "follow deployment "+short(id), func() (bool, error) {
		q := f.query(ctx)
		q.WaitIndex, q.WaitTime = index, blockFor
		d, meta, err := f.client.Deployments().Info(id, q)
		if err = cmp.Or(err, complete(d)); err != nil {
			return false, err
		}
		index, last = meta.LastIndex, d
		allocs, err := f.allocations(ctx, id)
		if err != nil {
			return false, err
		}
		f.progress(d, allocs)
		return d.Status == "successful" || d.Status == "failed" || d.Status == "cancelled", nil
	})
	if err != nil {
		return err
	}
	if last.Status == "successful" {
		return nil
	}
	allocs, err := f.allocations(ctx, id)
	if err != nil {
		return err
	}
	failure := &DeployError{Status: last.Status, Detail: last.StatusDescription, Reverted: strings.Contains(last.StatusDescription, "rolling back")}
	for _, a := range allocs {
		if a.DeploymentStatus == nil || a.DeploymentStatus.Healthy == nil || !*a.DeploymentStatus.Healthy {
			failure.Reasons = append(failure.Reasons, f.postMortem(ctx, a)...)
		}
	}
	return failure
}

// allocations are those of a deployment, the oldest first.
func (f *follower) allocations(ctx context.Context, deployment string) ([]*api.AllocationListStub, error) {
	allocs, _, err := f.client.Deployments().Allocations(deployment, f.query(ctx))
	if err = cmp.Or(err, complete(allocs)); err != nil {
		return nil, err
	}
	slices.SortFunc(allocs, func(a, b *api.AllocationListStub) int { return cmp.Compare(a.CreateIndex, b.CreateIndex) })
	return allocs, nil
}

func (f *follower) progress(d *api.Deployment, allocs []*api.AllocationListStub) {
	for _, a := range allocs {
		name := fmt.Sprintf("allocation %s (%s on %s)", short(a.ID), a.TaskGroup, a.NodeName)
		for _, task := range slices.Sorted(maps.Keys(a.TaskStates)) {
			state := a.TaskStates[task]
			text := state.State
			if n := len(state.Events); n > 0 {
				text += ": " + eventText(state.Events[n-1])
			}
			f.report(a.ID+task, name+" "+text)
		}
	}
	for _, group := range slices.Sorted(maps.Keys(d.TaskGroups)) {
		s := d.TaskGroups[group]
		f.report("deployment"+group, fmt.Sprintf("deployment %s, group %s: %d of %d placed, %d healthy, %d unhealthy", short(d.ID), group, s.PlacedAllocs, s.DesiredTotal, s.HealthyAllocs, s.UnhealthyAllocs))
	}
}

func eventText(e *api.TaskEvent) string {
	if e.DisplayMessage != "" && e.DisplayMessage != e.Type {
		return e.Type + ", " + strings.TrimSpace(e.DisplayMessage)
	}
	return e.Type
}
