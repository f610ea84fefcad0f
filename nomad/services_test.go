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

// Nomad asks a port with TLS over TLS: a check in plain text fails, and the task
// would be restarted again and again.
func TestChecksOfPortsWithTLS(t *testing.T) {
	withTLS := func(s *Spec) {
		s.Settings = map[string]string{"http.tls.cert_file": "/data/cert.pem", "http.tls.key_file": "/data/key.pem"}
		s.Env = map[string]string{"APPLIANCE_RECEIVER_TLS_CERT_FILE": "/data/cert.pem", "APPLIANCE_RECEIVER_TLS_KEY_FILE": "/data/key.pem"}
	}
	services := servicesOf(t, withTLS)
	for _, name := range []string{serviceRead, serviceTempo} {
		c := services[name].Checks[0]
		if c.Type != "http" || c.Protocol != "https" || !c.TLSSkipVerify {
			t.Errorf("%s: %+v is not over TLS", name, c)
		}
	}
	for _, name := range []string{serviceWrite, serviceWriteGRPC} {
		if c := services[name].Checks[0]; c.Type != "tcp" {
			t.Errorf("%s: %+v", name, c)
		}
	}
	for name, c := range map[string]struct {
		change func(*Spec)
		tags   map[string][]string // that are there
		not    string
	}{
		"both": {withTLS, map[string][]string{
			serviceWrite:     {"tempo-write.loadbalancer.server.scheme=https"},
			serviceWriteGRPC: {"tempo-write-grpc.loadbalancer.server.scheme=https"},
			serviceRead:      {"tempo-read.loadbalancer.server.scheme=https"},
		}, "healthcheck.scheme"},
		"the receiver": {func(s *Spec) { s.Settings = map[string]string{"receiver.tls.cert_file": "/data/cert.pem"} }, map[string][]string{
			serviceWrite:     {"tempo-write.loadbalancer.server.scheme=https", "tempo-write.loadbalancer.healthcheck.scheme=http"},
			serviceWriteGRPC: {"tempo-write-grpc.loadbalancer.server.scheme=https", "tempo-write-grpc.loadbalancer.healthcheck.scheme=http"},
		}, "tempo-read.loadbalancer.server.scheme"},
		"reading": {func(s *Spec) { s.Settings = map[string]string{"http.tls.cert_file": "/data/cert.pem"} }, map[string][]string{
			serviceWrite:     {"tempo-write.loadbalancer.healthcheck.scheme=https"},
			serviceWriteGRPC: {"tempo-write-grpc.loadbalancer.server.scheme=h2c", "tempo-write-grpc.loadbalancer.healthcheck.scheme=https"},
			serviceRead:      {"tempo-read.loadbalancer.server.scheme=https"},
		}, "tempo-write.loadbalancer.server.scheme"},
		"none": {func(*Spec) {}, nil, "=https"},
	} {
		for service, svc := range servicesOf(t, c.change) {
			for _, tag := range c.tags[service] {
				if !slices.Contains(svc.Tags, "traefik.http.services."+tag) {
					t.Errorf("%s: %s has no tag %s: %q", name, service, tag, svc.Tags)
				}
			}
			if strings.Contains(strings.Join(svc.Tags, "\n"), c.not) {
				t.Errorf("%s: %s has %s: %q", name, service, c.not, svc.Tags)
			}
		}
	}
}

// What Nomad cannot ask, since it shows neither certificate nor secret, is only
// connected to; and a person is told.
func TestChecksThatCannotAsk(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]string
		alive    string
		ready    string
	}{
		"client certificates": {map[string]string{"http.tls.cert_file": "/c", "http.tls.client_ca_file": "/ca"}, "tcp", "tcp"},
		"secrets":             {map[string]string{"http.auth.bearer_token_file": "/t"}, "http", "http"},
		"all is closed":       {map[string]string{"http.auth.basic_auth_file": "/t", "http.auth.open_paths": "[]"}, "tcp", "tcp"},
		"one is open":         {map[string]string{"http.auth.bearer_token_file": "/t", "http.auth.open_paths": "/metrics,/ready"}, "tcp", "http"},
		"one is open, YAML":   {map[string]string{"http.auth.bearer_token_file": "/t", "http.auth.open_paths": "[/healthz]"}, "http", "tcp"},
		"closed, no secrets":  {map[string]string{"http.auth.open_paths": "[]"}, "http", "http"},
	} {
		services := servicesOf(t, func(s *Spec) { s.Settings = c.settings })
		alive, ready := services[serviceTempo].Checks[0], services[serviceRead].Checks[0]
		if alive.Type != c.alive || ready.Type != c.ready || alive.CheckRestart == nil {
			t.Errorf("%s: checks %+v and %+v, want %s and %s", name, alive, ready, c.alive, c.ready)
		}
		if asks := strings.Contains(strings.Join(services[serviceRead].Tags, "\n"), "healthcheck"); asks != (c.ready == "http") {
			t.Errorf("%s: Traefik asks: %t", name, asks)
		}
		s := DefaultSpec("appliance:1")
		s.Settings = c.settings
		told := strings.Contains(strings.Join(s.Notes(), "\n"), "open_paths")
		if told != (c.alive == "tcp" || c.ready == "tcp") {
			t.Errorf("%s: notes %q", name, s.Notes())
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
