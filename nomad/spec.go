package nomad

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Shapes of the job, and what stands for a port that Nomad chooses or a disk
// that goes with the allocation.
const (
	TempoEmbedded  = "embedded"
	TempoTask      = "task"
	TempoElsewhere = "elsewhere"

	DriverDocker  = "docker"
	DriverRawExec = "raw_exec"

	PortDynamic   = "dynamic"
	DataEphemeral = "ephemeral"
)

// Spec says what the job is to be. Start from DefaultSpec.
//
// Tags: var is the name in a variables file and, with dashes, of the flag; doc
// is what the help says.
type Spec struct {
	Job         string   `var:"job" doc:"name of the job; that of the tutorial, so that its place is taken"`
	Namespace   string   `var:"-"`
	Region      string   `var:"-"`
	Datacenters []string `var:"datacenters" doc:"datacenters to run in, separated by commas; may be repeated"`
	NodePool    string   `var:"node_pool" doc:"node pool to run in"`
	Constraints []string `var:"constraint" doc:"where to run, such as 'node.class = storage' or 'attr.kernel.name = linux'; may be repeated"`
	Priority    *int     `var:"priority" doc:"priority of the job, 1 to 100"`
	Count       int      `var:"count" doc:"replicas of the appliance, with --tempo elsewhere; one at a time archives"`

	Driver  string `var:"driver" doc:"docker or raw_exec"`
	Image   string `var:"image" doc:"image of the appliance (docker)"`
	Command string `var:"command" doc:"path of the appliance on the nodes (raw_exec)"`
	Network string `var:"network" doc:"bridge (published ports) or host, for docker"`

	Tempo        string `var:"tempo" doc:"embedded: the appliance stores traces itself; task: in a Tempo, as a group of its own; elsewhere: in one that runs already, named with --set forwarder.tempo_url=..."`
	TempoImage   string `var:"tempo_image" doc:"image of Tempo (--tempo task, docker)"`
	TempoCommand string `var:"tempo_command" doc:"path of Tempo on the nodes (--tempo task, raw_exec)"`
	TempoCPU     int    `var:"tempo_cpu" doc:"MHz of Tempo (--tempo task)"`
	TempoMemory  int    `var:"tempo_memory" doc:"MiB of Tempo (--tempo task); GOMEMLIMIT is four fifths of it"`

	Data      string        `var:"data" doc:"where data is kept: a host volume by its name (register creates it where there is none), a directory of the node (/path), or ephemeral; default with docker: JOB-data"`
	Retention time.Duration `var:"retention" doc:"how long a block stays on the node's disk, or with Tempo"`

	WritePort string   `var:"write_port" doc:"port of OTLP/HTTP on the node, or dynamic"`
	GRPCPort  string   `var:"grpc_port" doc:"port of OTLP/gRPC on the node, or dynamic; not set: 32317, or dynamic where write_port is"`
	ReadPort  string   `var:"read_port" doc:"port of the read API on the node, or dynamic"`
	WriteHost string   `var:"write_host" doc:"host name that Traefik routes to OTLP/HTTP and OTLP/gRPC; empty for no route"`
	ReadHost  string   `var:"read_host" doc:"host name that Traefik routes to the read API; empty for no route"`
	TLS       bool     `var:"traefik_tls" doc:"Traefik ends TLS for both host names"`
	Tags      []string `var:"traefik_tag" doc:"further tag of both routed services; may be repeated"`

	CPU       int `var:"cpu" doc:"MHz of the appliance"`
	Memory    int `var:"memory" doc:"MiB of the appliance"`
	MemoryMax int `var:"memory_max" doc:"MiB it may use where the node has them left and the scheduler allows it; 0 for none"`

	HealthyDeadline time.Duration     `var:"healthy_deadline" doc:"time after which a new allocation that is not healthy has failed"`
	Settings        map[string]string `var:"set" doc:"key of the configuration, such as sampler.probability=0.1; may be repeated"`
	Env             map[string]string `var:"env" doc:"environment variable of the appliance, such as OTEL_TRACES_SAMPLER=traceidratio; may be repeated"`
}

// DefaultSpec is the job of the tutorial, without its faults.
func DefaultSpec(image string) Spec {
	return Spec{
		Job:         "tempo",
		Datacenters: []string{"*"},
		Count:       1,
		Driver:      DriverDocker,
		Image:       image,
		Command:     "/usr/local/bin/appliance",
		Network:     "bridge",
		Tempo:       TempoEmbedded,
		TempoImage:  "docker.io/grafana/tempo:2.7.2",

		TempoCommand: "/usr/local/bin/tempo",
		TempoCPU:     200,
		TempoMemory:  450,

		Retention: 24 * time.Hour,
		WritePort: "32318",
		ReadPort:  "32400",
		WriteHost: "tempo-write.service.local",
		ReadHost:  "tempo-read.service.local",

		CPU:       200,
		Memory:    450,
		MemoryMax: 900,

		HealthyDeadline: 5 * time.Minute,
	}
}

const (
	leastMemory    = 128
	leastTempoTask = 80 // MiB; with less as GOMEMLIMIT a Tempo of its own does not start
)

var jobName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$`)

// check returns every mistake at once.
func (s Spec) check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	oneOf := func(name, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			wrong("%s %q is none of %s", name, value, strings.Join(allowed, ", "))
		}
	}
	if !jobName.MatchString(s.Job) {
		wrong("job %q is not a name of letters, digits, dots, dashes and underscores", s.Job)
	}
	oneOf("driver", s.Driver, DriverDocker, DriverRawExec)
	oneOf("tempo", s.Tempo, TempoEmbedded, TempoTask, TempoElsewhere)
	oneOf("network", s.Network, "bridge", "host")
	if s.Driver == DriverDocker && s.Image == "" {
		wrong("image is empty")
	}
	if s.Driver == DriverDocker && strings.HasSuffix(s.Image, ":latest") {
		wrong("image %q: give a version; with latest nobody can say what runs, and a revert brings nothing back", s.Image)
	}
	if s.Driver == DriverRawExec && !filepath.IsAbs(s.Command) {
		wrong("command %q is not an absolute path", s.Command)
	}
	if len(s.Datacenters) == 0 {
		wrong("datacenters is empty; \"*\" means all")
	}
	for _, d := range s.datacenters() {
		if d == "" {
			wrong("datacenters: %q is not a name; \"*\" means all", d)
		}
	}
	if s.Priority != nil && (*s.Priority < 1 || *s.Priority > 100) {
		wrong("priority %d is not between 1 and 100", *s.Priority)
	}
	if s.Count < 1 {
		wrong("count %d is less than 1", s.Count)
	}
	if s.Count > 1 && s.Tempo != TempoElsewhere {
		wrong("count %d needs tempo elsewhere: with a store each, a reader would see the traces of one replica only", s.Count)
	}
	if s.Tempo == TempoElsewhere && s.setting("forwarder.tempo_url") == "" {
		wrong("tempo elsewhere: say where, with --set forwarder.tempo_url=nomad://SERVICE or http://HOST:4318")
	}
	if s.sharesArchive() && s.setting("archive.store") == "" {
		wrong("count %d with archive.source needs a store that all replicas reach: --set archive.store=s3://...", s.Count)
	}
	if s.Memory < leastMemory {
		wrong("memory %d MiB is less than %d", s.Memory, leastMemory)
	} else if least := s.leastMemory(); s.Memory < least {
		wrong("memory %d MiB is less than %d, which receiver.inflight_bytes and the rest of the appliance need", s.Memory, least)
	}
	if s.MemoryMax != 0 && s.MemoryMax < s.Memory {
		wrong("memory_max %d MiB is less than memory, %d", s.MemoryMax, s.Memory)
	}
	if s.Retention < time.Hour {
		wrong("retention %s is less than 1h", shortDuration(s.Retention))
	}
	if s.HealthyDeadline <= minHealthyTime {
		wrong("healthy_deadline %s is not above the %s for which a new allocation has to be healthy", shortDuration(s.HealthyDeadline), minHealthyTime)
	}
	for name, value := range map[string]string{"write_port": s.WritePort, "grpc_port": s.grpcPort(), "read_port": s.ReadPort} {
		if n, err := strconv.Atoi(value); value != PortDynamic && (err != nil || n < 1 || n > 65535) {
			wrong("%s %q is neither a port nor dynamic", name, value)
		}
	}
	if s.WritePort == s.ReadPort && s.WritePort != PortDynamic {
		wrong("write_port and read_port are both %s", s.ReadPort)
	}
	if p := s.grpcPort(); p != PortDynamic && (p == s.WritePort || p == s.ReadPort) {
		wrong("grpc_port %s is another port of the job already", p)
	}
	for name, value := range map[string]string{"write_host": s.WriteHost, "read_host": s.ReadHost} {
		if strings.ContainsAny(value, "`\"() /") {
			wrong("%s %q is not a host name", name, value)
		}
		if _, err := netip.ParseAddrPort(value); err == nil || strings.Contains(value, ":") {
			wrong("%s %q is a host name with a port", name, value)
		}
	}
	for key, by := range ours {
		if _, set := s.Settings[key]; set {
			wrong("set %s is the job's own; %s", key, by)
		}
		if _, set := s.Env[envName(key)]; set {
			wrong("env %s is the job's own; %s", envName(key), by)
		}
	}
	if least := leastTempoTask; s.Tempo == TempoTask && s.TempoMemory < least {
		wrong("tempo_memory %d MiB is less than %d, of which Tempo gets four fifths", s.TempoMemory, least)
	}
	if v := s.Volume(); s.Driver == DriverDocker && (strings.ContainsAny(v, "/ ") || v == "." || v == "..") {
		wrong("data %q is neither the name of a volume nor a path that begins with /", v)
	}
	if s.Driver == DriverRawExec && !filepath.IsAbs(s.data()) && s.data() != DataEphemeral {
		wrong("data %q: raw_exec mounts no volumes; give a directory of the node, or ephemeral", s.data())
	}
	if s.Count > 1 && s.Driver == DriverRawExec && filepath.IsAbs(s.data()) {
		wrong("data %q: %d replicas on one node would share it; use docker with a volume, or ephemeral", s.data(), s.Count)
	}
	for _, c := range s.Constraints {
		if _, err := parseConstraint(c); err != nil {
			errs = append(errs, err)
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// datacenters are the names, of which one text may hold several with commas in between.
func (s Spec) datacenters() []string {
	var names []string
	for _, text := range s.Datacenters {
		for name := range strings.SplitSeq(text, ",") {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

// data is where data is kept, the default filled in.
func (s Spec) data() string {
	if s.Data == "" && s.Driver == DriverDocker {
		return s.Job + "-data"
	}
	return s.Data
}

// grpcPort is the port of OTLP/gRPC on the node, the default filled in.
func (s Spec) grpcPort() string {
	switch {
	case s.GRPCPort != "":
		return s.GRPCPort
	case s.WritePort == PortDynamic:
		return PortDynamic
	}
	return "32317"
}

// sharesArchive tells whether several replicas would archive one storage, so
// that one of them has to be chosen.
func (s Spec) sharesArchive() bool { return s.Count > 1 && s.setting("archive.source") != "" }

// setting is what the task has for a key of the configuration that a person set, in either way.
func (s Spec) setting(key string) string {
	if value, ok := s.Env[envName(key)]; ok {
		return value
	}
	return s.Settings[key]
}

// envName is the environment variable of a key of the configuration.
func envName(key string) string {
	return "APPLIANCE_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// ours are keys that the job needs as it sets them, with what sets them.
var ours = map[string]string{
	"data_dir":             "data says where data is kept",
	"receiver.listen":      "write_port says the port of OTLP/HTTP on the node",
	"receiver.grpc_listen": "grpc_port says the port of OTLP/gRPC on the node",
	"http.listen":          "read_port says the port of the read API on the node",
}

// Volume is the name of the host volume that the job asks for, "" for none.
func (s Spec) Volume() string {
	if d := s.data(); d != DataEphemeral && !filepath.IsAbs(d) {
		return d
	}
	return ""
}

// LockPath is the variable whose lock decides which of several replicas archives.
func (s Spec) LockPath() string { return "nomad/jobs/" + s.Job + "/archiver" }

// Notes are what a person should know about the choices that were made.
func (s Spec) Notes() []string {
	var notes []string
	if s.data() == DataEphemeral {
		notes = append(notes, "data is ephemeral: it is lost when the allocation moves to another node and the old one is gone; prefer a host volume")
	}
	if s.Driver == DriverDocker && filepath.IsAbs(s.data()) {
		notes = append(notes, fmt.Sprintf("the nodes must allow docker volumes (plugin \"docker\" { config { volumes { enabled = true } } }), and user %d must be able to write %s", imageUID, s.data()))
	}
	notes = append(notes, s.tlsNotes()...)
	if s.exceeds() {
		notes = append(notes, fmt.Sprintf("memory_limit is more than the %d MiB of the task: it can be killed for want of memory", max(s.Memory, s.MemoryMax)))
	}
	return notes
}

// parseConstraint reads "ATTRIBUTE OPERATOR VALUE", or "ATTRIBUTE is_set".
func parseConstraint(text string) (*api.Constraint, error) {
	fields := strings.Fields(text)
	switch {
	case len(fields) == 2 && (fields[1] == "is_set" || fields[1] == "is_not_set"):
		return api.NewConstraint(attribute(fields[0]), fields[1], ""), nil
	case len(fields) >= 3:
		return api.NewConstraint(attribute(fields[0]), fields[1], strings.Join(fields[2:], " ")), nil
	case len(fields) == 1 && fields[0] == api.ConstraintDistinctHosts:
		return api.NewConstraint("", api.ConstraintDistinctHosts, "true"), nil
	}
	return nil, fmt.Errorf("constraint %q is not ATTRIBUTE OPERATOR VALUE, such as: node.class = storage", text)
}

func attribute(name string) string {
	if strings.HasPrefix(name, "${") {
		return name
	}
	return "${" + name + "}"
}
