package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
)

// announce tells a person what listens where and what to do next; in JSON it is a log line. heap is the limit of the
// heap that is in force, in bytes.
func (a *appliance) announce(text bool, otlp, http net.Addr, heap int64, notes []string) {
	data := a.conf.DataDir
	if abs, err := filepath.Abs(data); err == nil {
		data = abs
	}
	scheme := "http"
	if a.conf.Receiver.TLS.CertFile != "" {
		scheme = "https"
	}
	in := scheme + "://" + reachable(otlp.String()) + "/v1/traces"
	out := readScheme(a.conf) + "://" + reachable(http.String())
	v := currentVersions()
	sampling := samplingText(a.sampler.Config().Probability, a.sampler.Config().TargetSpansPerSecond)
	memory := memoryText(memoryBound(a.conf), int64(a.conf.Receiver.InflightBytes), heap)
	archived := "nothing"
	if a.archive.store != nil {
		archived = a.archive.store.URL()
	}
	grpcIn := "no port"
	if addr := a.receiver.GRPCAddr(); addr != nil {
		grpcIn = scheme + "://" + reachable(addr.String())
	}
	if !text {
		a.logger.Info("starting", "version", v.Version, "storage", a.storage.title(), "otlp", in, "otlp_grpc", grpcIn, "read_api", out, "data_dir", data, "archive", archived, "memory", memory, "sampling", sampling)
		for _, n := range notes {
			a.logger.Info("note", "text", n)
		}
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "appliance %s\n\n", v.Version)
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
	for _, n := range notes {
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
	fmt.Fprint(a.stderr, b.String())
}

func samplingText(p, target float64) string {
	s := fmt.Sprintf("%.4g %% of traces", p*100)
	switch p {
	case 1:
		s = "every trace"
	case 0:
		s = "no trace by default: sampler.probability is 0"
	}
	if target > 0 {
		s += fmt.Sprintf(", at most %.4g spans per second", target)
	}
	return s
}
