package nomad

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"
)

const (
	// madeBy marks a job as ours, in its meta.
	madeBy = "made_by"
	us     = "appliance"

	groupTempo = "tempo"

	portOTLP     = "otlp"
	portOTLPGRPC = "otlp_grpc"
	portHTTP     = "http"

	// imageUID is the user of our image, and of Tempo's.
	imageUID = 10001

	// killTimeout is more than the appliance takes to drain, by
	// forwarder.drain_deadline, and than the 26 s of a Tempo that writes its
	// blocks.
	killTimeout = 60 * time.Second

	// minHealthyTime is how long the checks of a new allocation must have passed.
	minHealthyTime = 10 * time.Second

	volumeLabel = "data"
	mountedAt   = "/data"
)

// Build makes the job for the API. Its error names every mistake in the spec.
func (s Spec) Build() (*api.Job, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	job := api.NewServiceJob(s.Job, s.Job, s.Region, api.JobDefaultPriority)
	job.Region, job.Priority = optional(s.Region), s.Priority
	job.Namespace, job.NodePool = optional(s.Namespace), optional(s.NodePool)
	job.Datacenters = s.datacenters()
	job.Meta = map[string]string{madeBy: us}
	for _, text := range s.Constraints {
		c, err := parseConstraint(text)
		if err != nil {
			return nil, err
		}
		job.Constrain(c)
	}
	job.Update = &api.UpdateStrategy{
		MaxParallel:     new(1),
		HealthCheck:     new("checks"),
		MinHealthyTime:  new(minHealthyTime),
		HealthyDeadline: new(s.HealthyDeadline),
		// Nomad wants it longer than kill_timeout
		ProgressDeadline: new(max(2*s.HealthyDeadline, 2*killTimeout)),
		AutoRevert:       new(true),
	}
	job.AddTaskGroup(s.applianceGroup())
	if s.Tempo == TempoTask {
		job.AddTaskGroup(s.tempoGroup())
	}
	return job, nil
}

// group is what both groups have in common: a task that fails again and again
// fails the allocation, so that Nomad places it elsewhere; its data waits on
// its volume.
func (s Spec) group(name string, count int) *api.TaskGroup {
	g := api.NewTaskGroup(name, count)
	g.RestartPolicy = &api.RestartPolicy{
		Attempts: new(3), Interval: new(10 * time.Minute), Delay: new(5 * time.Second), Mode: new("fail"),
	}
	g.ReschedulePolicy = &api.ReschedulePolicy{
		Delay: new(30 * time.Second), DelayFunction: new("exponential"), MaxDelay: new(10 * time.Minute), Unlimited: new(true),
	}
	switch {
	case s.Volume() != "":
		access := api.HostVolumeAccessModeSingleNodeSingleWriter
		if s.Tempo == TempoTask {
			access = api.HostVolumeAccessModeSingleNodeMultiWriter
		}
		g.Volumes = map[string]*api.VolumeRequest{volumeLabel: {
			Name: volumeLabel, Type: "host", Source: s.Volume(), Sticky: true,
			AccessMode: string(access), AttachmentMode: string(api.HostVolumeAttachmentModeFilesystem),
		}}
	case s.data() == DataEphemeral:
		g.EphemeralDisk = &api.EphemeralDisk{Sticky: new(true), Migrate: new(true), SizeMB: new(10 << 10)}
	}
	return g
}

func (s Spec) applianceGroup() *api.TaskGroup {
	g := s.group("appliance", s.Count)
	g.Networks = []*api.NetworkResource{s.network(map[string]port{
		portOTLP: {s.WritePort, 4318}, portOTLPGRPC: {s.grpcPort(), 4317}, portHTTP: {s.ReadPort, 3200},
	})}

	t := s.task("appliance", s.Image, s.Command, []string{portOTLP, portOTLPGRPC, portHTTP}, []string{"serve"})
	t.Identity = &api.WorkloadIdentity{Env: true} // NOMAD_TOKEN, for the task API
	t.Resources = &api.Resources{CPU: new(s.CPU), MemoryMB: new(s.Memory), MemoryMaxMB: optional(s.MemoryMax)}
	t.Services = s.services()
	t.Env = map[string]string{
		"APPLIANCE_DATA_DIR":             s.dataDir(),
		"APPLIANCE_RECEIVER_LISTEN":      s.listen(portOTLP, 4318),
		"APPLIANCE_RECEIVER_GRPC_LISTEN": s.listen(portOTLPGRPC, 4317),
		"APPLIANCE_HTTP_LISTEN":          s.listen(portHTTP, 3200),
		"APPLIANCE_LOG_FORMAT":           "json",
		"APPLIANCE_MEMORY_LIMIT":         mib(s.Memory),
		nodeName:                         "${node.unique.name}",
	}
	switch s.Tempo {
	case TempoEmbedded:
		t.Env["APPLIANCE_RETENTION"] = shortDuration(s.Retention)
	case TempoTask:
		t.Env["APPLIANCE_FORWARDER_TEMPO_URL"] = "nomad://" + serviceTempoOTLP
		t.Env["APPLIANCE_TEMPO_QUERY_URL"] = "nomad://" + serviceTempo
		if s.data() != DataEphemeral { // they stand on one volume
			t.Env["APPLIANCE_ARCHIVE_SOURCE"] = "file://" + filepath.Join(s.dataDir(), "tempo", "blocks")
		}
	}
	if s.sharesArchive() {
		t.Env["APPLIANCE_NOMAD_LOCK"] = s.LockPath()
	}
	for key, value := range s.Settings {
		t.Env[envName(key)] = value
	}
	for name, value := range s.Env {
		t.Env[name] = value
	}
	g.AddTask(t)
	return g
}

// task is what both tasks have in common.
func (s Spec) task(name, image, command string, ports, args []string) *api.Task {
	t := api.NewTask(name, s.Driver)
	t.KillTimeout = new(killTimeout)
	t.KillSignal = "SIGTERM" // raw_exec would send SIGINT
	switch s.Driver {
	case DriverRawExec:
		t.Config = map[string]any{"command": command, "args": args}
	case DriverDocker:
		t.Config = map[string]any{
			"image":           image,
			"args":            args,
			"readonly_rootfs": true,
			"cap_drop":        []string{"all"},
			"security_opt":    []string{"no-new-privileges"},
		}
		if s.Network == "host" {
			t.Config["network_mode"] = "host"
		} else {
			t.Config["ports"] = ports
		}
		switch {
		case s.Volume() != "":
			t.VolumeMounts = []*api.VolumeMount{{Volume: new(volumeLabel), Destination: new(mountedAt)}}
		case s.data() != DataEphemeral:
			t.Config["volumes"] = []string{s.data() + ":" + mountedAt}
		}
	}
	return t
}

// dataDir is the data directory as the task sees it.
func (s Spec) dataDir() string {
	switch {
	case s.data() == DataEphemeral:
		return "${NOMAD_ALLOC_DIR}/data/appliance"
	case s.Driver == DriverDocker:
		return mountedAt
	}
	return s.data()
}

type port struct {
	host string // a number, or dynamic
	to   int    // within a container that has a network of its own
}

// published tells whether ports of the node lead to other ports in a container.
func (s Spec) published() bool { return s.Driver == DriverDocker && s.Network == "bridge" }

func (s Spec) network(ports map[string]port) *api.NetworkResource {
	n := &api.NetworkResource{}
	for _, label := range slices.Sorted(maps.Keys(ports)) {
		p := ports[label]
		entry := api.Port{Label: label}
		if s.published() {
			entry.To = p.to
		}
		if p.host == PortDynamic {
			n.DynamicPorts = append(n.DynamicPorts, entry)
			continue
		}
		entry.Value, _ = strconv.Atoi(p.host) // checked
		n.ReservedPorts = append(n.ReservedPorts, entry)
	}
	return n
}

// listen is the address that a task listens on: without a network of its own it
// takes the node's port.
func (s Spec) listen(label string, own int) string {
	if s.published() {
		return ":" + strconv.Itoa(own)
	}
	return ":${NOMAD_PORT_" + label + "}"
}

func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// Ours tells whether a job was made by Build.
func Ours(job *api.Job) bool { return job.Meta[madeBy] == us }
