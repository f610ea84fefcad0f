package serve

import (
	"encoding/json"
	"net/http"
	"time"

	"appliance/cmd/appliance/status"
)

func (a *appliance) status() status.Status {
	st := a.spool.Status()
	s := status.Status{
		Version: a.versions.Version, Uptime: time.Since(a.began).Seconds(), Ready: true, Ledger: a.account(),
		Spool: status.Spool{
			Bytes: st.Bytes, MaxBytes: st.MaxBytes, PendingRecords: st.Pending.Records, Oldest: st.Oldest, Segments: len(st.Segments),
			UnreadableSegments: st.UnreadableSegments, QuarantinedBytes: st.QuarantinedBytes, LastError: st.LastError,
		},
		Sampler: status.Sampler{
			Probability: a.sampler.Stats().Probability, TargetSpansPerSecond: a.sampler.Stats().Target, Pressure: a.underPressure(),
		},
		Disks: *a.disks.known.Load(),
	}
	if err := a.ready(); err != nil {
		s.Ready, s.NotReady = false, err.Error()
	}
	s.Archive = a.archiveStatus()
	if why := a.archive.unpruned.Load(); why != nil && *why != "" {
		if s.Archive == nil { // nothing is archived, and the archive is pruned
			s.Archive = &status.Archive{}
		}
		s.Archive.NotPruned = *why
	}
	if a.tail != nil {
		t := a.tail.Status()
		s.Tail = &t
	}
	if a.remote != nil {
		r := a.remote.Status()
		s.RemoteWrite = &r
	}
	a.storage.status(&s)
	return s
}

func (a *appliance) serveStatus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(a.status()) // the client has gone
}
