package nomad

import (
	"errors"
	"strings"
	"testing"
)

// An evaluation that came to its end is not asked for again, and what Nomad says
// of it is not called silence.
func TestEvaluationsThatDoNotComplete(t *testing.T) {
	const id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	for status, want := range map[string]string{
		"failed":   "evaluation 6ba7b810 failed: its server has no memory",
		"canceled": "evaluation 6ba7b810 was canceled: its server has no memory; a later change",
	} {
		answer := `{"ID": "` + id + `", "Status": "` + status + `", "StatusDescription": "its server has no memory"}`
		cluster := NewCluster(whatever(t, 200, answer, nil), "default")
		var said []string
		err := cluster.Follow(t.Context(), "tempo", id, func(text string) { said = append(said, text) })
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "no answer") {
			t.Errorf("%s: %v, want: %s", status, err, want)
		}
		var ended *EvaluationError
		if !errors.As(err, &ended) || len(said) > 0 {
			t.Errorf("%s: %T, and was said: %q", status, err, said)
		}
	}
}
