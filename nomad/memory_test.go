package nomad

import (
	"strings"
	"testing"
)

// TestMemoryLimit holds that the appliance is told what is reserved for its
// task: what its cgroup allows may be more, which others may need.
func TestMemoryLimit(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Spec)
		limit  string
	}{
		"embedded":       {func(*Spec) {}, "450MiB"},
		"task":           {func(s *Spec) { s.Tempo, s.Memory = TempoTask, 300 }, "300MiB"},
		"a person's own": {func(s *Spec) { s.Settings = map[string]string{"memory_limit": "0"} }, "0"},
	} {
		s := DefaultSpec("appliance:1")
		c.change(&s)
		job, err := s.Build()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := job.TaskGroups[0].Tasks[0].Env["APPLIANCE_MEMORY_LIMIT"]; got != c.limit {
			t.Errorf("%s: memory_limit %s, want %s", name, got, c.limit)
		}
	}
}

func TestMemoryThatDoesNotFitIsSaid(t *testing.T) {
	s := DefaultSpec("appliance:1")
	s.Settings = map[string]string{"receiver.inflight_bytes": "400MiB"}
	if _, err := s.Build(); err == nil || !strings.Contains(err.Error(), "memory 450 MiB is less than 478") {
		t.Errorf("no room for the rest: %v", err)
	}
	s.Settings = map[string]string{"memory_limit": "900MiB"}
	if notes := strings.Join(s.Notes(), "\n"); notes != "" {
		t.Errorf("what just fits is noted: %s", notes)
	}
	s.Settings = map[string]string{"memory_limit": "901MiB"}
	if notes := strings.Join(s.Notes(), "\n"); !strings.Contains(notes, "more than the 900 MiB") {
		t.Errorf("what does not fit is not noted: %q", notes)
	}
}
