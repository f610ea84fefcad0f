package query

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// BuildInfo is what a Tempo tells of itself.
type BuildInfo struct {
	Version   string `json:"version"`
	Revision  string `json:"revision"`
	Branch    string `json:"branch"`
	BuildUser string `json:"buildUser"`
	BuildDate string `json:"buildDate"`
	GoVersion string `json:"goVersion"`
}

// buildInfo answers with Tempo's, and where Tempo gives none, with that of the Tempo whose code reads the archive.
func (h *Handler) buildInfo(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), patience-reserve, errLate)
	defer cancel()
	resp, err := h.askTempo(r.WithContext(ctx))
	if err == nil {
		defer resp.Body.Close()
		if err = down(resp); err == nil {
			passOn(w, resp)
			return
		}
	}
	if r.Context().Err() != nil {
		return // the client has gone
	}
	partial(w, fmt.Errorf("tempo does not answer: %w", err))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(h.build)
}
