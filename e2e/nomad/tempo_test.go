package nomad

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// TestTempoTask runs Tempo as a group of its own. Tempo is rescheduled to
// another port, and the appliance follows within a second of Nomad knowing it.
// Then the appliance stores by itself, as docs/nomad.md says to change to that.
func TestTempoTask(t *testing.T) {
	a := startAgent(t, agentOptions{})
	data := filepath.Join(a.dir, "data")
	own := rawExec(t, data)
	spec := append(slices.Clone(own), "--tempo", "task", "--tempo-command", harness.Peer(t, "tempo"), "--set", "log.level=debug")
	a.appliance(t, append([]string{"register"}, spec...)...).mustExit(t, 0).mustSay(t, "job tempo is healthy")
	a.end(t, "tempo")
	a.appliance(t, "status").mustExit(t, 0).mustSay(t, "in a Tempo as a group of its own, at", "tempo-otlp")
	app := a.serving(t)

	sent := map[string]int{}
	send := func() {
		t.Helper()
		request, ids := harness.NewRequest("in-nomad", 2, 3)
		if answer, err := app.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
			t.Fatalf("export: %+v, %v", answer, err)
		}
		for _, id := range ids {
			sent[id] = 3
		}
	}
	send()
	app.MustFind(t, sent)

	// Rescheduled to another port.
	var tempo allocation
	for _, x := range a.allocations(t, "tempo") {
		if x.TaskGroup == "tempo" {
			tempo = x
		}
	}
	before := a.mustService(t, "tempo", 1)[0]
	a.must(t, http.MethodPost, "/v1/allocation/"+tempo.ID+"/stop", nil, nil)
	send() // while there is no Tempo
	var known time.Time
	var after instance
	harness.Eventually(t, time.Minute, "Tempo is registered elsewhere", func() error {
		found, err := a.service("tempo-otlp")
		if err != nil || len(found) != 1 || found[0].AllocID == before.AllocID {
			return fmt.Errorf("%+v, %v", found, err)
		}
		known, after = time.Now(), found[0]
		return nil
	})
	if after.Port == before.Port {
		t.Fatalf("Tempo came back at port %d", after.Port)
	}
	harness.Eventually(t, time.Second, "the appliance has heard of "+after.addr(), func() error {
		if log := a.log(t, "tempo", "appliance"); !strings.Contains(log, `"address":"`+after.addr()+`"`) {
			return fmt.Errorf("it has not")
		}
		return nil
	})
	t.Logf("followed %s after Nomad knew", time.Since(known).Round(time.Millisecond))
	send()
	app.MustFind(t, sent)

	// Its own telemetry says which allocation it is.
	metrics, err := through(t.Context(), app.Read, app.Read, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{`job="tempo"`, `group="appliance"`, `task="appliance"`, `node="`} {
		if !strings.Contains(string(metrics), label) {
			t.Errorf("no label %s in appliance_nomad_allocation_info", label)
		}
	}
	if log := a.log(t, "tempo", "appliance"); !strings.Contains(log, `"nomad.alloc_id":"`) {
		t.Error("log lines do not say which allocation they are of")
	}

	a.flushTempo(t, data)
	a.appliance(t, append([]string{"register"}, own...)...).mustExit(t, 0).mustSay(t, "job tempo is healthy")
	a.appliance(t, "status").mustExit(t, 0).mustSay(t, "stored by the appliance")
	app = a.serving(t)
	app.MustFind(t, sent)
	send()
	app.MustFind(t, sent)
}

// flushTempo lets Tempo write what it has in memory to blocks, and waits until
// the appliance has archived these.
func (a *agent) flushTempo(t *testing.T, data string) {
	t.Helper()
	at := a.mustService(t, "tempo", 1)[0].addr()
	resp, err := http.Post("http://"+at+"/flush", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		t.Fatalf("POST /flush: %s", resp.Status)
	}
	harness.Eventually(t, 2*time.Minute, "blocks of Tempo, archived", func() error {
		blocks, err := filepath.Glob(filepath.Join(data, "tempo", "blocks", "*", "*", "meta.json"))
		if err != nil || len(blocks) == 0 {
			return fmt.Errorf("no block yet, %v", err)
		}
		for _, block := range blocks {
			rel, err := filepath.Rel(filepath.Join(data, "tempo", "blocks"), filepath.Dir(block))
			if err != nil {
				return err
			}
			if _, err := os.Stat(filepath.Join(data, "archive", rel, "manifest.json")); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestTutorialTempo runs Tempo as a group of its own with the tutorial's
// configuration, but for its empty "ingester:", with which no Tempo starts.
// Where its files and ports are is that of the task.
func TestTutorialTempo(t *testing.T) {
	a := startAgent(t, agentOptions{})
	text, err := os.ReadFile("../testdata/origin-tempo.yml")
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(a.dir, "data")
	file := a.write(t, "tutorial.yml", strings.Replace(string(text), "\ningester:\n", "\n", 1)+"\nmemberlist: {bind_addr: [127.0.0.1], bind_port: "+freePort(t)+"}\n")
	command := a.write(t, "tempo", `#!/bin/sh
grpc="grpc_listen_address: 127.0.0.1\n  grpc_listen_port: $NOMAD_PORT_grpc"
sed -e "s|/var/tempo|`+data+`/tempo|" -e "s|0.0.0.0:4318|0.0.0.0:$NOMAD_PORT_otlp|" -e "s|http_listen_port: 3400|http_listen_port: $NOMAD_PORT_http\n  $grpc|" \
	"`+file+`" >"$NOMAD_TASK_DIR/tutorial.yml"
exec "`+harness.Peer(t, "tempo")+`" -config.file="$NOMAD_TASK_DIR/tutorial.yml"
`)
	makeExecutable(t, command)
	spec := append(rawExec(t, data), "--tempo", "task", "--tempo-command", command, "--healthy-deadline", "2m")
	a.appliance(t, append([]string{"register"}, spec...)...).mustExit(t, 0).mustSay(t, "job tempo is healthy")
	a.end(t, "tempo")
	app := a.serving(t)
	request, ids := harness.NewRequest("tutorial", 5, 3)
	if answer, err := app.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("export: %+v, %v", answer, err)
	}
	sent := map[string]int{}
	for _, id := range ids {
		sent[id] = 3
	}
	app.MustFind(t, sent)
	app.MustSearch(t, `{ resource.service.name = "tutorial" }`, ids)
	a.flushTempo(t, data)
}

// TestNomadAway holds that an appliance that follows a service goes on while
// Nomad does not answer, and notices when it does again.
func TestNomadAway(t *testing.T) {
	a := startAgent(t, agentOptions{})
	tempo := harness.Start(t, harness.Options{}) // an appliance takes OTLP as Tempo does
	_, port, _ := strings.Cut(tempo.Intake, ":")
	serviceOf(t, a, "otlp", port)
	app := harness.Start(t, harness.Options{Env: map[string]string{
		"APPLIANCE_FORWARDER_TEMPO_URL": "nomad://otlp", "APPLIANCE_TEMPO_QUERY_URL": "http://" + tempo.Read, "APPLIANCE_NOMAD_ADDRESS": a.url,
	}})
	deliver := func(what string) {
		t.Helper()
		request, ids := harness.NewRequest(what, 1, 2)
		if answer, err := app.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
			t.Fatalf("export: %+v, %v", answer, err)
		}
		tempo.MustFind(t, map[string]int{ids[0]: 2})
	}
	deliver("there")
	freeze(t, a.Process) // it takes connections and says nothing
	deliver("frozen")
	thaw(t, a.Process)
	deliver("back")
}

// log is what a task's process printed on stderr.
func (a *agent) log(t *testing.T, job, group string) string {
	t.Helper()
	for _, x := range a.allocations(t, job) {
		if x.TaskGroup != group {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		body, err := a.read(ctx, "/v1/client/fs/logs/"+x.ID+"?plain=true&type=stderr&task="+group)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	t.Fatalf("no allocation of group %s", group)
	return ""
}
