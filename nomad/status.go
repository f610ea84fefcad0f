package nomad

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Status is how a job is doing; its JSON form is stable.
type Status struct {
	Job       string `json:"job"`
	Namespace string `json:"namespace"`
	Status    string `json:"status"` // running, pending, dead
	Ours      bool   `json:"ours"`
	Tempo     string `json:"tempo"` // embedded, task or elsewhere
	// of a Tempo elsewhere, without a user
	TempoURL    string             `json:"tempo_url,omitempty"`
	Version     uint64             `json:"version"`
	Versions    []VersionStatus    `json:"versions"`
	Deployment  string             `json:"deployment,omitempty"`
	Allocations []AllocationStatus `json:"allocations"`
	Services    []ServiceStatus    `json:"services"`
}

// VersionStatus is one version of the job.
type VersionStatus struct {
	Version   uint64    `json:"version"`
	Stable    bool      `json:"stable"`
	Submitted time.Time `json:"submitted"`
}

// AllocationStatus is one allocation that is meant to run, or the last one where none is.
type AllocationStatus struct {
	ID       string        `json:"id"`
	Group    string        `json:"group"`
	Node     string        `json:"node"`
	Version  uint64        `json:"version"`
	Status   string        `json:"status"`
	Healthy  *bool         `json:"healthy"`
	Restarts uint64        `json:"restarts"`
	Since    time.Time     `json:"since"`
	Checks   []CheckStatus `json:"checks"`
}

// CheckStatus is what a check saw last.
type CheckStatus struct {
	Service string `json:"service"`
	Name    string `json:"name"`
	Status  string `json:"status"` // success, failure, pending
	Output  string `json:"output,omitempty"`
}

// ServiceStatus is where a service is.
type ServiceStatus struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"`
}

// Status reads how a job is doing.
func (c *Cluster) Status(ctx context.Context, id string) (*Status, error) {
	job, err := c.job(ctx, id)
	if err != nil {
		return nil, err
	}
	if job == nil {
		return nil, fmt.Errorf("there is no job %s; register it with: appliance nomad register", id)
	}
	s := &Status{Job: id, Namespace: *job.Namespace, Status: *job.Status, Ours: Ours(job), Version: *job.Version}
	s.Tempo, s.TempoURL = tempoOf(job)
	names := map[string]bool{}
	for _, g := range job.TaskGroups {
		for _, service := range g.Services {
			names[service.Name] = true
		}
		for _, t := range g.Tasks {
			for _, service := range t.Services {
				names[service.Name] = true
			}
		}
	}
	versions, _, _, err := c.client.Jobs().Versions(id, false, c.query(ctx))
	if err := answered(versions, err); err != nil {
		return nil, fmt.Errorf("read versions of job %s: %w", id, err)
	}
	for _, v := range versions {
		if v.Version == nil || v.Stable == nil || v.SubmitTime == nil {
			return nil, fmt.Errorf("read versions of job %s: %w", id, &notNomadError{"one lacks Version, Stable or SubmitTime"})
		}
		s.Versions = append(s.Versions, VersionStatus{*v.Version, *v.Stable, time.Unix(0, *v.SubmitTime).UTC()})
	}
	if d, _, err := c.client.Jobs().LatestDeployment(id, c.query(ctx)); err != nil {
		return nil, fmt.Errorf("read the deployment of job %s: %w", id, Readable(err))
	} else if d != nil {
		s.Deployment = d.Status + ": " + d.StatusDescription
	}
	if s.Allocations, err = c.allocationsOf(ctx, id); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		found, _, err := c.client.Services().Get(name, c.query(ctx))
		if err := answered(found, err); err != nil {
			return nil, fmt.Errorf("read service %s: %w", name, err)
		}
		service := ServiceStatus{Name: name, Addresses: []string{}}
		for _, r := range found {
			if r.JobID == id {
				service.Addresses = append(service.Addresses, hostPort(r))
			}
		}
		slices.Sort(service.Addresses)
		s.Services = append(s.Services, service)
	}
	return s, nil
}

// tempoOf says where the Tempo of a job is, and the URL of one elsewhere.
func tempoOf(job *api.Job) (where, at string) {
	where = TempoEmbedded
	if !Ours(job) {
		return where, ""
	}
	for _, g := range job.TaskGroups {
		if *g.Name == groupTempo {
			return TempoTask, ""
		}
		for _, t := range g.Tasks {
			if raw := t.Env[envName("forwarder.tempo_url")]; raw != "" {
				where, at = TempoElsewhere, withoutUser(raw)
			}
		}
	}
	return where, at
}

// withoutUser is a URL without its user and password. One with a variable of
// Nomad's in it cannot be parsed.
func withoutUser(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		u.User = nil
		return u.String()
	}
	scheme, rest, _ := strings.Cut(raw, "://")
	return scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
}

func (c *Cluster) allocationsOf(ctx context.Context, id string) ([]AllocationStatus, error) {
	stubs, _, err := c.client.Jobs().Allocations(id, false, c.query(ctx))
	if err := answered(stubs, err); err != nil {
		return nil, fmt.Errorf("read allocations of job %s: %w", id, err)
	}
	slices.SortFunc(stubs, func(a, b *api.AllocationListStub) int { return cmp.Compare(b.CreateIndex, a.CreateIndex) })
	meant := slices.DeleteFunc(slices.Clone(stubs), func(a *api.AllocationListStub) bool { return a.DesiredStatus != "run" })
	if len(meant) == 0 && len(stubs) > 0 {
		meant = stubs[:1]
	}
	all := []AllocationStatus{}
	for _, stub := range meant {
		a := AllocationStatus{
			ID: stub.ID, Group: stub.TaskGroup, Node: stub.NodeName, Version: stub.JobVersion, Status: stub.ClientStatus,
			Since: time.Unix(0, stub.CreateTime).UTC(), Checks: []CheckStatus{},
		}
		if stub.DeploymentStatus != nil {
			a.Healthy = stub.DeploymentStatus.Healthy
		}
		for _, t := range stub.TaskStates {
			a.Restarts += t.Restarts
		}
		if stub.ClientStatus == "running" {
			checks, err := c.client.Allocations().Checks(stub.ID, c.query(ctx))
			if err := answered(checks, err); err != nil {
				return nil, fmt.Errorf("read checks of allocation %s: %w", short(stub.ID), err)
			}
			for _, k := range checks {
				a.Checks = append(a.Checks, CheckStatus{k.Service, k.Check, k.Status, firstLine(k.Output)})
			}
			slices.SortFunc(a.Checks, func(a, b CheckStatus) int {
				return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name))
			})
		}
		all = append(all, a)
	}
	return all, nil
}
