package nomad

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Names of the services. Write, read and tempo are those of the tutorial.
const (
	serviceWrite     = "tempo-write"
	serviceWriteGRPC = "tempo-write-grpc"
	serviceRead      = "tempo-read"
	serviceTempo     = "tempo"
	serviceTempoOTLP = "tempo-otlp"
)

const (
	checkInterval = 5 * time.Second
	checkTimeout  = 2 * time.Second
)

// services are those of the appliance's task. They belong to the task, not to
// the group: a group's services stay registered while the task is dead.
func (s Spec) services() []*api.Service {
	alive := s.webCheck("alive", "/healthz")
	alive.CheckRestart = &api.CheckRestart{Limit: 3, Grace: new(60 * time.Second)}
	read := service(serviceRead, portHTTP, s.route("read", s.ReadHost, "", schemeOf(s.httpTLS(), "http"), true), s.webCheck("ready", "/ready"))
	checked := s.Count == 1 || s.ReadPort != PortDynamic
	write := service(serviceWrite, portOTLP, untraced(s.router("write"), s.route("write", s.WriteHost, "", schemeOf(s.receiverTLS(), "http"), checked)), tcpCheck())
	grpc := s.route("write-grpc", s.WriteHost, " && PathPrefix(`/opentelemetry.proto.collector.`)", schemeOf(s.receiverTLS(), "h2c"), checked)
	writeGRPC := service(serviceWriteGRPC, portOTLPGRPC, untraced(s.router("write-grpc"), grpc), tcpCheck())
	if s.Tempo != TempoEmbedded { // the service tempo is Tempo's own
		read.Checks = append(read.Checks, alive)
		return []*api.Service{write, writeGRPC, read}
	}
	return []*api.Service{write, writeGRPC, read, service(serviceTempo, portHTTP, []string{"traefik.enable=false"}, alive)}
}

// route returns the tags that make Traefik route a host name to a service.
// Neither Nomad's catalog nor Traefik's provider heeds Nomad's checks, so
// Traefik asks by itself: always at the HTTP port, where /ready is. Several
// instances must have equal tags, which they have not where that port differs
// by instance. And narrows the rule. Scheme is how the service is spoken to.
func (s Spec) route(kind, host, and, scheme string, healthCheck bool) []string {
	name := s.router(kind)
	if host == "" {
		return []string{"traefik.enable=false"}
	}
	router, balancer := "traefik.http.routers."+name, "traefik.http.services."+name+".loadbalancer"
	tags := []string{
		"traefik.enable=true",
		router + ".service=" + name,
		router + ".rule=" + fmt.Sprintf("Host(`%s`)", host) + and,
		router + ".tls=" + strconv.FormatBool(s.TLS),
	}
	healthCheck = healthCheck && s.asks("/ready")
	if healthCheck {
		tags = append(tags,
			balancer+".healthcheck.path=/ready",
			balancer+".healthcheck.port=${NOMAD_HOST_PORT_"+portHTTP+"}",
			balancer+".healthcheck.interval="+checkInterval.String(),
		)
	}
	tags = slices.Concat(tags, s.Tags)
	if scheme != "http" {
		tags = append(tags, balancer+".server.scheme="+scheme)
	}
	// without this tag Traefik checks by the scheme of the server
	if web := schemeOf(s.httpTLS(), "http"); healthCheck && web != scheme {
		tags = append(tags, balancer+".healthcheck.scheme="+web)
	}
	return tags
}

// router is the name of a router of Traefik's and of its balancer. Two jobs
// have different ones: Traefik drops both of two routers that share a name. A
// dot would end the name.
func (s Spec) router(kind string) string { return strings.ReplaceAll(s.Job, ".", "-") + "-" + kind }

// untraced takes a router out of Traefik's tracing: a trace about the delivery
// of traces would bring forth the next one.
func untraced(name string, tags []string) []string {
	if len(tags) == 1 { // there is no router
		return tags
	}
	return append(tags, "traefik.http.routers."+name+".observability.tracing=false")
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
