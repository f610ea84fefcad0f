package nomad

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// noVolume is how Nomad's scheduler names the want of a host volume.
const noVolume = "missing compatible host volumes"

// Explain says for each group that cannot be placed why, and what to do, one reason a line.
func Explain(failed map[string]*api.AllocationMetric) []string {
	var lines []string
	for _, group := range slices.Sorted(maps.Keys(failed)) {
		for _, reason := range reasons(failed[group]) {
			lines = append(lines, fmt.Sprintf("group %q: %s", group, reason))
		}
	}
	return lines
}

func reasons(m *api.AllocationMetric) []string {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if m.NodesEvaluated == 0 {
		for _, dc := range slices.Sorted(maps.Keys(m.NodesAvailable)) {
			if m.NodesAvailable[dc] == 0 {
				say("no node is available in datacenter %q; see nomad node status, and --datacenters", dc)
			}
		}
		if len(lines) == 0 {
			say("no node was eligible in node pool %q; see nomad node status, --node-pool and --datacenters", m.NodePool)
		}
	}
	for _, constraint := range slices.Sorted(maps.Keys(m.ConstraintFiltered)) {
		say("%s: %s", nodes(m.ConstraintFiltered[constraint]), constraintText(constraint))
	}
	for _, class := range slices.Sorted(maps.Keys(m.ClassFiltered)) {
		if len(m.ConstraintFiltered) == 0 {
			say("%s of class %q were ruled out by a constraint", nodes(m.ClassFiltered[class]), class)
		}
	}
	for _, dimension := range slices.Sorted(maps.Keys(m.DimensionExhausted)) {
		say("%s: %s", nodes(m.DimensionExhausted[dimension]), dimensionText(dimension))
	}
	for _, quota := range m.QuotaExhausted {
		say("the quota is used up: %s", quota)
	}
	if len(lines) == 0 {
		say("%d nodes were looked at, %d ruled out, %d full", m.NodesEvaluated, m.NodesFiltered, m.NodesExhausted)
	}
	return lines
}

func nodes(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

func constraintText(c string) string {
	switch {
	case c == noVolume:
		return "has no host volume of the name; `appliance nomad register` creates it, or give --data"
	case strings.HasPrefix(c, "missing drivers"):
		return "does not run the task driver; install and enable it, or give another --driver"
	case strings.HasPrefix(c, "missing network"):
		return c + "; its client has no such network"
	}
	// the scheduler looks at one node of a kind, and does not repeat why for the others
	if c == "computed class ineligible" {
		return "does not meet the job's constraints; see --constraint and --driver"
	}
	return "does not meet the constraint " + c
}

func dimensionText(d string) string {
	_, port, collides := strings.Cut(d, "reserved port collision ")
	switch {
	case collides:
		return "port " + port + " is taken by another allocation; free it, or give another --write-port, --grpc-port, --read-port, or dynamic"
	case d == "memory":
		return "not enough memory is left; free some, or give a lower --memory"
	case d == "cpu":
		return "not enough CPU is left; free some, or give a lower --cpu"
	case d == "disk":
		return "not enough disk is left"
	}
	return d + " is used up"
}
