package nomad

import (
	"strings"
	"testing"
)

// TestMemoryIsSharedOut holds that GOMEMLIMIT is at least what serve would set by itself, 36 MiB and the requests in flight, and
// that the limits of all that is in a task fit into it.
func TestMemoryIsSharedOut(t *testing.T) {
	for name, c := range map[string]struct {
		change           func(*Spec)
		goLimit, ofTempo string
	}{
		"embedded": {func(*Spec) {}, "100MiB", "320MiB"},
		"task":     {func(s *Spec) { s.Tempo = TempoTask }, "356MiB", ""},
		"elsewhere": {func(s *Spec) {
			s.Tempo, s.Settings = TempoElsewhere, map[string]string{"forwarder.tempo_url": "http://tempo:4318"}
		}, "356MiB", ""},
		"more in flight": {func(s *Spec) { s.Settings = map[string]string{"receiver.inflight_bytes": "100000000"} }, "132MiB", "288MiB"},
		"alone, little memory": {func(s *Spec) {
			s.Tempo, s.Memory, s.Env = TempoTask, 256, map[string]string{"APPLIANCE_RECEIVER_INFLIGHT_BYTES": "128MiB"}
		}, "164MiB", ""},
		"a person's own":            {func(s *Spec) { s.Env = map[string]string{"GOMEMLIMIT": "90MiB"} }, "90MiB", "320MiB"},
		"known in the cluster only": {func(s *Spec) { s.Settings = map[string]string{"receiver.inflight_bytes": "${meta.inflight}"} }, "100MiB", "320MiB"},
	} {
		s := DefaultSpec("appliance:1")
		c.change(&s)
		job, err := s.Build()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		env := job.TaskGroups[0].Tasks[0].Env
		if env["GOMEMLIMIT"] != c.goLimit || env["APPLIANCE_TEMPO_MEMORY_LIMIT"] != c.ofTempo {
			t.Errorf("%s: GOMEMLIMIT %s, tempo.memory_limit %s; want %s, %s", name, env["GOMEMLIMIT"], env["APPLIANCE_TEMPO_MEMORY_LIMIT"], c.goLimit, c.ofTempo)
		}
		if s.Tempo == TempoEmbedded && s.goMemory()+s.memoryOfTempo() > s.Memory {
			t.Errorf("%s: %d and %d MiB are more than %d", name, s.goMemory(), s.memoryOfTempo(), s.Memory)
		}
	}
}

func TestMemoryThatDoesNotFitIsSaid(t *testing.T) {
	s := DefaultSpec("appliance:1")
	s.Settings = map[string]string{"receiver.inflight_bytes": "321MiB"}
	if _, err := s.Build(); err == nil || !strings.Contains(err.Error(), "memory 450 MiB is less than 451") {
		t.Errorf("no room for Tempo: %v", err)
	}
	s.Settings = map[string]string{"tempo.memory_limit": "800MiB"}
	if notes := strings.Join(s.Notes(), "\n"); notes != "" {
		t.Errorf("what just fits is noted: %s", notes)
	}
	s.Settings = map[string]string{"tempo.memory_limit": "801MiB"}
	if notes := strings.Join(s.Notes(), "\n"); !strings.Contains(notes, "100 MiB of the appliance itself, are more than the 900 MiB") {
		t.Errorf("what does not fit is not noted: %q", notes)
	}
}
