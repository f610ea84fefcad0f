package nomad

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Names of the services. The first three are those of the tutorial.
const (
	serviceWrite     = "tempo-write"
	serviceRead      = "tempo-read"
	serviceTempo     = "tempo"
	serviceTempoOTLP = "tempo-otlp"
)

const (
	checkInterval = 5 * time.Second
	checkTimeout  = 2 * time.Second
)

// services are those of the appliance's task. They belong to the task, not to the group: a group's services stay
// registered while the task is dead.
func (s Spec) services() []*api.Service {
	alive := httpCheck("alive", "/healthz")
	alive.CheckRestart = &api.CheckRestart{Limit: 3, Grace: new(60 * time.Second)}
	read := service(serviceRead, portHTTP, s.route(serviceRead, s.ReadHost, true), httpCheck("ready", "/ready"))
	// A trace about the delivery of traces would bring forth the next one.
	tags := s.route(serviceWrite, s.WriteHost, s.Count == 1 || s.ReadPort != PortDynamic)
	if s.WriteHost != "" {
		tags = append(tags, "traefik.http.routers."+serviceWrite+".observability.tracing=false")
	}
	write := service(serviceWrite, portOTLP, tags, tcpCheck())
	if s.Tempo != TempoEmbedded { // the service tempo is Tempo's own
		read.Checks = append(read.Checks, alive)
		return []*api.Service{write, read}
	}
	return []*api.Service{write, read, service(serviceTempo, portHTTP, []string{"traefik.enable=false"}, alive)}
}

// route returns the tags that make Traefik route a host name to a service. Neither Nomad's catalog nor Traefik's
// provider heeds Nomad's checks, so Traefik asks by itself: always at the HTTP port, where /ready is. Several
// instances must have equal tags, which they have not where that port differs by instance.
func (s Spec) route(name, host string, healthCheck bool) []string {
	if host == "" {
		return []string{"traefik.enable=false"}
	}
	router, balancer := "traefik.http.routers."+name, "traefik.http.services."+name+".loadbalancer"
	tags := []string{
		"traefik.enable=true",
		router + ".service=" + name,
		router + ".rule=" + fmt.Sprintf("Host(`%s`)", host),
		router + ".tls=" + strconv.FormatBool(s.TLS),
	}
	if healthCheck {
		tags = append(tags,
			balancer+".healthcheck.path=/ready",
			balancer+".healthcheck.port=${NOMAD_HOST_PORT_"+portHTTP+"}",
			balancer+".healthcheck.interval="+checkInterval.String(),
		)
	}
	return slices.Concat(tags, s.Tags)
}

func service(name, port string, tags []string, checks ...api.ServiceCheck) *api.Service {
	return &api.Service{Name: name, PortLabel: port, Provider: "nomad", Tags: tags, Checks: checks}
}

func httpCheck(name, path string) api.ServiceCheck {
	return api.ServiceCheck{Name: name, Type: "http", Path: path, Interval: checkInterval, Timeout: checkTimeout}
}

func tcpCheck() api.ServiceCheck {
	return api.ServiceCheck{Name: "listens", Type: "tcp", Interval: checkInterval, Timeout: checkTimeout}
}
