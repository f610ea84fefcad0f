package nomad

import (
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
)

func servicesOf(t *testing.T, change func(*Spec)) map[string]*api.Service {
	t.Helper()
	s := DefaultSpec("appliance:1")
	change(&s)
	job, err := s.Build()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*api.Service{}
	for _, svc := range job.TaskGroups[0].Tasks[0].Services {
		byName[svc.Name] = svc
	}
	return byName
}

// Traefik routes both kinds of OTLP by one host name, and traces neither.
func TestBothDoorsAreRouted(t *testing.T) {
	services := servicesOf(t, func(*Spec) {})
	for name, want := range map[string][]string{
		serviceWrite: {
			"traefik.http.routers.tempo-write.rule=Host(`tempo-write.service.local`)",
			"traefik.http.routers.tempo-write.observability.tracing=false",
		},
		serviceWriteGRPC: {
			"traefik.http.routers.tempo-write-grpc.rule=Host(`tempo-write.service.local`) && PathPrefix(`/opentelemetry.proto.collector.`)",
			"traefik.http.services.tempo-write-grpc.loadbalancer.server.scheme=h2c",
			"traefik.http.services.tempo-write-grpc.loadbalancer.healthcheck.scheme=http",
			"traefik.http.routers.tempo-write-grpc.observability.tracing=false",
		},
	} {
		for _, tag := range want {
			if !slices.Contains(services[name].Tags, tag) {
				t.Errorf("%s has no tag %s: %q", name, tag, services[name].Tags)
			}
		}
	}
	if p := services[serviceWriteGRPC].PortLabel; p != portOTLPGRPC {
		t.Errorf("OTLP/gRPC leads to the port %s", p)
	}
	for name, svc := range servicesOf(t, func(s *Spec) { s.WriteHost = "" }) {
		if strings.HasPrefix(name, serviceWrite) && !slices.Equal(svc.Tags, []string{"traefik.enable=false"}) {
			t.Errorf("without a host %s has the tags %q", name, svc.Tags)
		}
	}
}

// Two routers of one name are none to Traefik.
func TestJobsShareNoRouter(t *testing.T) {
	routers := map[string]string{}
	for _, job := range []string{"tempo", "traces", "traces.eu"} {
		for name, svc := range servicesOf(t, func(s *Spec) { s.Job = job }) {
			for _, tag := range svc.Tags {
				rest, ok := strings.CutPrefix(tag, "traefik.http.routers.")
				if !ok {
					continue
				}
				router, _, _ := strings.Cut(rest, ".")
				if owner := routers[router]; owner != "" && owner != job+" "+name {
					t.Errorf("%s and %s %s have the router %s", owner, job, name, router)
				}
				routers[router] = job + " " + name
			}
		}
	}
	if len(routers) != 9 {
		t.Errorf("%d routers, want 9: %v", len(routers), routers)
	}
}

func TestGRPCPort(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Spec)
		want   string
		err    string
	}{
		"default":        {func(*Spec) {}, "32317", ""},
		"as write_port":  {func(s *Spec) { s.WritePort = PortDynamic }, PortDynamic, ""},
		"chosen":         {func(s *Spec) { s.GRPCPort = "4317" }, "4317", ""},
		"of write_port":  {func(s *Spec) { s.GRPCPort = s.WritePort }, "", "another port of the job"},
		"is not a port":  {func(s *Spec) { s.GRPCPort = "x" }, "", "neither a port nor dynamic"},
		"in the setting": {func(s *Spec) { s.Settings = map[string]string{"receiver.grpc_listen": ":1"} }, "", "grpc_port says"},
	} {
		s := DefaultSpec("appliance:1")
		tt.change(&s)
		_, err := s.Build()
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || s.grpcPort() != tt.want {
			t.Errorf("%s: %q, %v", name, s.grpcPort(), err)
		}
	}
}
