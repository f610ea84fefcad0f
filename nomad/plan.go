package nomad

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hashicorp/nomad/api"
)

// Cluster is what the commands talk to.
type Cluster struct {
	client    *api.Client
	namespace string
}

// NewCluster makes one over a client of the API.
func NewCluster(client *api.Client, namespace string) *Cluster {
	return &Cluster{client: client, namespace: namespace}
}

func (c *Cluster) query(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{Namespace: c.namespace}).WithContext(ctx)
}

func (c *Cluster) write(ctx context.Context) *api.WriteOptions {
	return (&api.WriteOptions{Namespace: c.namespace}).WithContext(ctx)
}

// Plan is what registering a job would do.
type Plan struct {
	Job     *api.Job
	Current *api.Job // nil where there is no job of that name
	// of the current job, for a registration that only succeeds if nothing
	// changed; 0 where there is none
	Index uint64

	Diff     *api.JobDiff
	Updates  map[string]*api.DesiredUpdates
	Failed   map[string]*api.AllocationMetric // groups that cannot be placed
	Warnings string
}

// Changes tells whether registering would change anything.
func (p *Plan) Changes() bool { return p.Diff.Type != "None" }

// Foreign tells whether there is a job of that name that Build did not make.
func (p *Plan) Foreign() bool { return p.Current != nil && !Ours(p.Current) }

// MissesVolume tells whether a group cannot be placed for want of its host volume.
func (p *Plan) MissesVolume() bool {
	for _, m := range p.Failed {
		if m.ConstraintFiltered[noVolume] > 0 {
			return true
		}
	}
	return false
}

// Plan asks the server what registering job would do. Nothing is changed.
func (c *Cluster) Plan(ctx context.Context, job *api.Job) (*Plan, error) {
	current, err := c.job(ctx, *job.ID)
	if err != nil {
		return nil, err
	}
	answer, _, err := c.client.Jobs().PlanOpts(job, &api.PlanOptions{Diff: true}, c.write(ctx))
	if err = answered(answer, err); err == nil && answer.Diff == nil {
		err = &notNomadError{"it has no Diff"}
	}
	if err != nil {
		return nil, fmt.Errorf("plan job %s: %w", *job.ID, err)
	}
	p := &Plan{Job: job, Current: current, Index: answer.JobModifyIndex, Diff: answer.Diff, Failed: answer.FailedTGAllocs, Warnings: answer.Warnings}
	if answer.Annotations != nil {
		p.Updates = answer.Annotations.DesiredTGUpdates
	}
	return p, nil
}

// job returns the job as it is registered, nil where there is none.
func (c *Cluster) job(ctx context.Context, id string) (*api.Job, error) {
	job, _, err := c.client.Jobs().Info(id, c.query(ctx))
	if statusOf(err) == http.StatusNotFound {
		return nil, nil
	}
	if err == nil {
		err = checkJob(job, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read job %s: %w", id, elsewhere(Readable(err)))
	}
	return job, nil
}
