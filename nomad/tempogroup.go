package nomad

import (
	_ "embed"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// tempoConfig is Tempo's configuration where it runs as a task of its own. The words in capitals
// are replaced. It works with Tempo 2.7.2 and later.
//
//go:embed tempo.yaml
var tempoConfig string

// portGRPC is where Tempo's parts talk to each other, on loopback. On the
// node's own network it must not be taken.
const portGRPC = "grpc"

const tempoConfigFile = "local/tempo.yaml"

// tempoGroup is Tempo beside the appliance. It is a group of its own, so that a
// Tempo that fails again and again is rescheduled alone, while the appliance
// takes traces all the time.
func (s Spec) tempoGroup() *api.TaskGroup {
	g := s.group(groupTempo, 1)
	g.Networks = []*api.NetworkResource{s.network(map[string]port{
		portOTLP: {PortDynamic, 4318}, portHTTP: {PortDynamic, 3200}, portGRPC: {PortDynamic, 9095},
	})}

	file := filepath.Join("${NOMAD_TASK_DIR}", filepath.Base(tempoConfigFile))
	t := s.task("tempo", s.TempoImage, s.TempoCommand, []string{portOTLP, portHTTP}, []string{"-config.file=" + file})
	t.Env = map[string]string{"GOMEMLIMIT": mib(s.TempoMemory * 4 / 5)}
	t.Resources = &api.Resources{CPU: new(s.TempoCPU), MemoryMB: new(s.TempoMemory), MemoryMaxMB: optional(s.tempoMemoryMax())}
	port := func(label string, own int) string {
		if s.published() {
			return strconv.Itoa(own)
		}
		return `{{ env "NOMAD_PORT_` + label + `" }}`
	}
	t.Templates = []*api.Template{{
		DestPath: new(tempoConfigFile),
		// A restart, since Tempo ends on SIGHUP and reads its configuration at start only.
		ChangeMode: new("restart"),
		EmbeddedTmpl: new(strings.NewReplacer(
			"DATA_DIR", s.tempoDir(), "RETENTION", shortDuration(s.Retention),
			"HTTP_PORT", port(portHTTP, 3200), "OTLP_PORT", port(portOTLP, 4318), "GRPC_PORT", port(portGRPC, 9095),
		).Replace(tempoConfig)),
	}}
	ready := httpCheck("ready", "/ready")
	ready.CheckRestart = &api.CheckRestart{Limit: 6, Grace: new(2 * time.Minute)}
	t.Services = []*api.Service{
		service(serviceTempoOTLP, portOTLP, []string{"traefik.enable=false"}, tcpCheck()),
		service(serviceTempo, portHTTP, []string{"traefik.enable=false"}, ready),
	}
	g.AddTask(t)
	return g
}

func (s Spec) tempoMemoryMax() int {
	if s.MemoryMax == 0 {
		return 0
	}
	return 2 * s.TempoMemory
}

// tempoDir is where Tempo keeps its files, as its template sees it: where the
// appliance takes blocks over from when it stores traces itself, so that one
// can change to that shape and keep the data.
func (s Spec) tempoDir() string {
	if s.data() == DataEphemeral {
		return `{{ env "NOMAD_ALLOC_DIR" }}/data/tempo`
	}
	return filepath.Join(s.dataDir(), "tempo")
}
