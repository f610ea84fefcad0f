package nomad

import (
	"os"
	"strings"
)

// nodeName is the one thing that Nomad does not tell a task by itself; Build adds it.
const nodeName = "NOMAD_NODE_NAME"

// Allocation is which allocation this process runs in.
type Allocation struct{ Namespace, Job, Group, Task, ID, Node, Datacenter string }

// CurrentAllocation reads what Nomad says to its tasks; ok is false outside of one.
func CurrentAllocation() (a Allocation, ok bool) {
	a = Allocation{
		Namespace: os.Getenv("NOMAD_NAMESPACE"), Job: os.Getenv("NOMAD_JOB_NAME"), Group: os.Getenv("NOMAD_GROUP_NAME"),
		Task: os.Getenv("NOMAD_TASK_NAME"), ID: os.Getenv("NOMAD_ALLOC_ID"), Node: os.Getenv(nodeName), Datacenter: os.Getenv("NOMAD_DC"),
	}
	return a, a.ID != ""
}

// Attributes are the resource attributes of the allocation, as log lines and metrics carry them.
func (a Allocation) Attributes() []Attribute {
	return []Attribute{
		{"nomad.namespace", a.Namespace}, {"nomad.job", a.Job}, {"nomad.group", a.Group}, {"nomad.task", a.Task},
		{"nomad.alloc_id", a.ID}, {"nomad.node", a.Node}, {"nomad.dc", a.Datacenter},
	}
}

// Attribute is a name and its value.
type Attribute struct{ Key, Value string }

// Label is the attribute's name as a label of a metric: without dots, and
// without the prefix that the metric has.
func (a Attribute) Label() string { return strings.TrimPrefix(a.Key, "nomad.") }
