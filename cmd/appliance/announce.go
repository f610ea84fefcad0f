package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
)

// announce tells a person what listens where and what to do next; in JSON it is a log line.
func (a *appliance) announce(text bool, otlp, http net.Addr, notes []string) {
	data := a.conf.DataDir
	if abs, err := filepath.Abs(data); err == nil {
		data = abs
	}
	scheme := "http"
	if a.conf.Receiver.TLS.CertFile != "" {
		scheme = "https"
	}
	in := scheme + "://" + reachable(otlp.String()) + "/v1/traces"
	out := "http://" + reachable(http.String())
	v := currentVersions()
	where := "embedded, Tempo " + v.Tempo
	if a.tempo == nil {
		where = "elsewhere"
	}
	sampling := samplingText(a.sampler.Config().Probability, a.sampler.Config().TargetSpansPerSecond)
	if !text {
		a.logger.Info("starting", "version", v.Version, "tempo", where, "otlp", in, "read_api", out, "data_dir", data, "sampling", sampling)
		for _, n := range notes {
			a.logger.Info("note", "text", n)
		}
		a.warnUnused(func(key string) { a.logger.Warn("key without effect in this version", "key", key) })
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "appliance %s\n\n", v.Version)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-11s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("traces in", "%s  (OTLP/HTTP)", in)
	if a.query != nil {
		row("traces out", "%s  (Tempo's read API)", out)
	} else {
		row("status", "%s", out)
	}
	row("tempo", "%s", where)
	row("data", "%s", data)
	row("sampling", "%s", sampling)
	for _, n := range notes {
		row("note", "%s", n)
	}
	a.warnUnused(func(key string) { row("note", "%s has no effect in this version", key) })
	b.WriteString("\nNext steps\n")
	row("Traefik", "--tracing=true --tracing.otlp=true --tracing.otlp.http=true")
	row("", "--tracing.otlp.http.endpoint=%s", in)
	if a.query != nil {
		row("Grafana", "add a data source of type Tempo with the URL %s", out)
	}
	b.WriteString("\n")
	fmt.Fprint(a.stderr, b.String())
}

// warnUnused names the settings that somebody made and that do nothing yet.
func (a *appliance) warnUnused(say func(key string)) {
	for _, key := range []string{"archive.enabled", "archive.store", "archive.source", "archive.keep"} {
		if _, set := a.conf.Set[key]; set {
			say(key)
		}
	}
}

func samplingText(p, target float64) string {
	s := fmt.Sprintf("%.4g %% of traces", p*100)
	if p == 1 {
		s = "every trace"
	}
	if target > 0 {
		s += fmt.Sprintf(", at most %.4g spans per second", target)
	}
	return s
}
