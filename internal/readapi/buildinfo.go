package readapi

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// BuildInfo is what Grafana asks for, to know what may be asked: it takes
// Version for that of a Tempo.
type BuildInfo struct {
	Version   string `json:"version"`
	Revision  string `json:"revision"`
	Branch    string `json:"branch"`
	BuildUser string `json:"buildUser"`
	BuildDate string `json:"buildDate"`
	GoVersion string `json:"goVersion"`
}

func (h *Handler) buildInfo(w http.ResponseWriter, _ *http.Request) error {
	body, err := json.Marshal(h.Build)
	if err != nil {
		return fmt.Errorf("encode the build information: %w", err)
	}
	return writeBody(w, jsonType, body, nil)
}
