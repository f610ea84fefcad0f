package serve

import (
	"fmt"
	"strings"

	"appliance/cmd/appliance/status"
)

// announce tells a person what listens where and what to do next; without a
// greeting it is a log line. heap is the limit of the heap that is in force, in
// bytes.
func (a *appliance) announce(heap int64) {
	data := absolute(a.conf.DataDir)
	scheme := "http"
	if a.conf.Receiver.TLS.CertFile != "" {
		scheme = "https"
	}
	in := scheme + "://" + Reachable(a.receiver.Addr().String()) + "/v1/traces"
	out := ReadScheme(a.conf) + "://" + Reachable(a.door.Addr().String())
	sampling := status.SamplingText(a.sampler.Config().Probability, a.sampler.Config().TargetSpansPerSecond)
	memory := memoryText(memoryBound(a.conf), int64(a.conf.Receiver.InflightBytes), heap)
	archived := "nothing"
	if a.archive.store != nil {
		archived = a.archive.store.URL()
	}
	grpcIn := "no port"
	if addr := a.receiver.GRPCAddr(); addr != nil {
		grpcIn = scheme + "://" + Reachable(addr.String())
	}
	if a.greeting == nil {
		a.logger.Info("starting", "version", a.versions.Version, "storage", a.storage.title(), "otlp", in, "otlp_grpc", grpcIn, "read_api", out, "data_dir", data, "archive", archived, "memory", memory, "sampling", sampling)
		for _, n := range a.notes {
			a.logger.Info("note", "text", n)
		}
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "appliance %s\n\n", a.versions.Version)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-11s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("traces in", "%s  (OTLP/HTTP)", in)
	row("", "%s  (OTLP/gRPC)", grpcIn)
	if a.reads != nil {
		row("traces out", "%s  (Tempo's read API)", out)
	} else {
		row("status", "%s", out)
	}
	row("storage", "%s", a.storage.title())
	row("data", "%s", data)
	row("archive", "%s", archived)
	row("memory", "%s", memory)
	row("sampling", "%s", sampling)
	for _, n := range a.notes {
		row("note", "%s", n)
	}
	b.WriteString("\nNext steps\n")
	row("Traefik", "--tracing=true --tracing.otlp=true --tracing.otlp.http=true")
	row("", "--tracing.otlp.http.endpoint=%s", in)
	row("browser", "open %s/", out)
	if a.reads != nil {
		row("Grafana", "add a data source of type Tempo with the URL %s", out)
	}
	b.WriteString("\n")
	fmt.Fprint(a.greeting, b.String())
}
