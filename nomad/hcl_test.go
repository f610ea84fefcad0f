package nomad

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/hashicorp/nomad/api"
)

// TestHCLIsCanonical holds that a job parses, is formatted, and comes out the
// same each time, in each shape. That Nomad reads from it the very job that the
// API is sent is checked with the real one, in e2e/nomad.
func TestHCLIsCanonical(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"embedded":  func(*Spec) {},
		"task":      func(s *Spec) { s.Tempo = TempoTask },
		"raw_exec":  func(s *Spec) { s.Driver, s.Data = DriverRawExec, "/srv" },
		"ephemeral": func(s *Spec) { s.Data, s.Tempo = DataEphemeral, TempoTask },
		"host":      func(s *Spec) { s.Network, s.WritePort, s.ReadPort = "host", PortDynamic, PortDynamic },
		"strings": func(s *Spec) {
			s.Env = map[string]string{"A": "say \"hi\" \\ ${NOMAD_PORT_http} ${other} %{if}", "B": "two\nlines\n", "C": "\t\x01"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := DefaultSpec("appliance:1")
			change(&s)
			job, err := s.Build()
			if err != nil {
				t.Fatal(err)
			}
			text := HCL(job)
			if _, diags := hclsyntax.ParseConfig(text, name, hcl.InitialPos); diags.HasErrors() {
				t.Fatalf("%v\n%s", diags, text)
			}
			if formatted := hclwrite.Format(text); string(formatted) != string(text) {
				t.Errorf("is not formatted:\n%s", text)
			}
			for range 20 {
				again, err := s.Build()
				if err != nil {
					t.Fatal(err)
				}
				if string(HCL(again)) != string(text) {
					t.Fatal("does not come out the same each time")
				}
			}
		})
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		`plain`:                       `"plain"`,
		`a "b" \c`:                    `"a \"b\" \\c"`,
		`:${NOMAD_PORT_http}`:         `":${NOMAD_PORT_http}"`,
		`${node.unique.name}`:         `"${node.unique.name}"`,
		`${HOME} %{for}`:              `"$${HOME} %%{for}"`,
		"Host(`tempo.service.local`)": "\"Host(`tempo.service.local`)\"",
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestShortDuration(t *testing.T) {
	for in, want := range map[time.Duration]string{24 * time.Hour: "24h", 90 * time.Minute: "1h30m", 10 * time.Minute: "10m", 61 * time.Second: "1m1s", 30 * time.Second: "30s", 10*time.Hour + 10*time.Second: "10h0m10s"} {
		if got := shortDuration(in); got != want {
			t.Errorf("%v is written %s, want %s", in, got, want)
		}
	}
}

// TestOriginFaults holds that the faults of the tutorial's job are not in ours.
func TestOriginFaults(t *testing.T) {
	for _, tempo := range []string{TempoEmbedded, TempoTask} {
		s := DefaultSpec("appliance:1")
		s.Tempo = tempo
		job, err := s.Build()
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]int{}
		for _, g := range job.TaskGroups {
			if len(g.Services) > 0 {
				t.Errorf("group %s has services; they would stay registered while its task is dead", *g.Name)
			}
			if *g.RestartPolicy.Mode != "fail" || !*g.ReschedulePolicy.Unlimited {
				t.Errorf("group %s is never rescheduled", *g.Name)
			}
			for _, task := range g.Tasks {
				if len(task.VolumeMounts) == 0 {
					t.Errorf("task %s has no volume", task.Name)
				}
				if *task.KillTimeout < 26*time.Second {
					t.Errorf("task %s has %s to stop", task.Name, *task.KillTimeout)
				}
				if *task.Resources.MemoryMaxMB <= *task.Resources.MemoryMB {
					t.Errorf("task %s has no memory_max", task.Name)
				}
				if task.Env["GOMEMLIMIT"] == "" && task.Env["APPLIANCE_MEMORY_LIMIT"] == "" {
					t.Errorf("task %s does not know how much memory it may take", task.Name)
				}
				for _, service := range task.Services {
					names[service.Name]++
					if service.Provider != "nomad" || len(service.Checks) == 0 {
						t.Errorf("service %s: provider %s, %d checks", service.Name, service.Provider, len(service.Checks))
					}
				}
			}
		}
		for _, name := range []string{"tempo", "tempo-read", "tempo-write"} {
			if names[name] != 1 {
				t.Errorf("service %s is registered %d times", name, names[name])
			}
		}
		if !*job.Update.AutoRevert {
			t.Error("a bad update is not brought back")
		}
		text := string(HCL(job))
		for _, tag := range []string{"traefik.http.routers.tempo-write.observability.tracing=false", "tempo-write.loadbalancer.healthcheck.path=/ready", "Host(`tempo-read.service.local`)"} {
			if !strings.Contains(text, tag) {
				t.Errorf("%s has no %s", tempo, tag)
			}
		}
		for _, fault := range []string{"SIGHUP", "JAEGER", "ingester:\n      compactor"} {
			if strings.Contains(text, fault) {
				t.Errorf("%s has the tutorial's %q", tempo, fault)
			}
		}
	}
}

func TestExplain(t *testing.T) {
	lines := strings.Join(Explain(map[string]*api.AllocationMetric{
		"appliance": {NodesEvaluated: 3, NodesFiltered: 1, NodesExhausted: 2,
			ConstraintFiltered: map[string]int{"missing drivers": 1, noVolume: 1, "${node.class} = storage": 2, "computed class ineligible": 1},
			DimensionExhausted: map[string]int{"memory": 1, "network: reserved port collision otlp=32318": 2}},
		"tempo": {NodesAvailable: map[string]int{"services": 0}},
	}), "\n")
	for _, want := range []string{"does not run the task driver", "has no host volume of the name", "not enough memory", "port otlp=32318 is taken", "does not meet the constraint ${node.class} = storage", "does not meet the job's constraints", `no node is available in datacenter "services"`} {
		if !strings.Contains(lines, want) {
			t.Errorf("no %q in\n%s", want, lines)
		}
	}
}

func TestWriteDiff(t *testing.T) {
	var b strings.Builder
	err := WriteDiff(&b, &api.JobDiff{Type: "Edited", ID: "tempo", TaskGroups: []*api.TaskGroupDiff{
		{Type: "None", Name: "tempo"},
		{Type: "Edited", Name: "appliance", Tasks: []*api.TaskDiff{{Type: "Edited", Name: "appliance", Annotations: []string{"forces create/destroy update"},
			Objects: []*api.ObjectDiff{{Type: "Edited", Name: "Resources", Fields: []*api.FieldDiff{
				{Type: "None", Name: "CPU", Old: "200", New: "200"}, {Type: "Edited", Name: "MemoryMB", Old: "450", New: "500"},
				{Type: "Added", Name: "Grace", New: "60000000000"}, {Type: "Added", Name: "IOPS", New: "0"},
			}}}}}},
	}}, map[string]*api.DesiredUpdates{"appliance": {DestructiveUpdate: 1}}, false)
	if err != nil {
		t.Fatal(err)
	}
	const want = `+/- job "tempo"
+/-   group "appliance" (1 to replace)
+/-     task "appliance" (forces create/destroy update)
+/-       Resources
+/-         MemoryMB: "450" => "500"
+           Grace: "1m"
`
	if b.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
}
