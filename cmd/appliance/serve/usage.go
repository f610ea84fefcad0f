package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"appliance/archive"
	"appliance/cmd/appliance/status"
	"appliance/internal/config"
)

const (
	UsagePath   = "/api/v1/usage"
	UsageBudget = 20 * time.Second // for reading the archive
	UsageBlocks = 20               // of the archive that are read, where nobody says how many
	UsageMost   = 1000
	usageDay    = 24 * time.Hour
	MaxUsage    = 64 << 20 // bytes of its answer
	usageBusy   = "the archive is being read for another; ask again"
)

// Usage says what fills the disk.
type Usage struct {
	LastDay *Kept          `json:"last_day"`          // nil where metrics.max_series is 0
	Archive *ArchivedUsage `json:"archive,omitempty"` // where it was asked for
}

// Kept is what operations take.
type Kept struct {
	From      time.Time `json:"from,omitzero"`
	To        time.Time `json:"to,omitzero"`
	Spans     int64     `json:"spans"`      // kept
	OTLPBytes int64     `json:"otlp_bytes"` // of them
	// of the blocks on this disk; 0 where they are elsewhere, or there are none yet
	DiskBytes int64 `json:"disk_bytes"`
	// the largest first; bytes are of the disk, or of OTLP where there is no disk
	Operations []archive.OperationUsage `json:"operations"`
	Halve      []string                 `json:"to_halve"` // each of these would about halve it
}

type ArchivedUsage struct {
	*archive.Usage
	Halve []string `json:"to_halve"`
}

// usedLately is what was kept in the last day, and the blocks' bytes in
// proportion to that.
func (a *appliance) usedLately() *Kept {
	if a.meter == nil {
		return nil
	}
	w := a.meter.Window(usageDay)
	u := &Kept{From: w.From, To: w.To, Operations: []archive.OperationUsage{}}
	type key struct{ tenant, service, name string }
	sums := map[key]*archive.OperationUsage{}
	for _, s := range w.Services {
		for _, o := range s.Operations {
			k := key{s.Tenant, s.Name, o.Name}
			if sums[k] == nil {
				sums[k] = &archive.OperationUsage{Tenant: s.Tenant, Service: s.Name, Operation: o.Name}
			}
			sums[k].Spans += int64(o.KeptSpans)
			sums[k].Bytes += int64(o.KeptBytes)
			u.Spans += int64(o.KeptSpans)
			u.OTLPBytes += int64(o.KeptBytes)
		}
	}
	var st status.Status
	a.storage.status(&st)
	scale := 1.0
	if st.Store != nil && st.Store.Bytes > 0 && u.OTLPBytes > 0 {
		u.DiskBytes = st.Store.Bytes
		scale = float64(u.DiskBytes) / float64(u.OTLPBytes)
	}
	for _, o := range sums {
		if o.Spans > 0 {
			o.Bytes = int64(float64(o.Bytes) * scale)
			u.Operations = append(u.Operations, *o)
		}
	}
	slices.SortFunc(u.Operations, func(x, y archive.OperationUsage) int {
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(x.Service, y.Service), cmp.Compare(x.Operation, y.Operation), cmp.Compare(x.Tenant, y.Tenant))
	})
	u.Halve = halve(u.Operations, a.conf.Sampler)
	return u
}

// usedByArchive reads some blocks of the archive.
func (a *appliance) usedByArchive(ctx context.Context, blocks int) (*ArchivedUsage, error) {
	if a.archive.store == nil {
		return nil, errors.New("there is no archive: archive.enabled is false, or a Tempo elsewhere is not archived")
	}
	ctx, cancel := context.WithTimeout(ctx, UsageBudget)
	defer cancel()
	u, err := archive.Open(a.archive.store).Usage(ctx, blocks)
	if err != nil {
		return nil, err
	}
	return &ArchivedUsage{u, halve(u.Operations, a.conf.Sampler)}, nil
}

// serveUsage answers what fills the disk; with ?archive=N from N blocks of the
// archive too.
func (a *appliance) serveUsage(w http.ResponseWriter, req *http.Request) {
	u := Usage{LastDay: a.usedLately()}
	if text := req.URL.Query().Get("archive"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > UsageMost {
			http.Error(w, fmt.Sprintf("archive=%q is not a number of blocks to read, 1 to %d", text, UsageMost), http.StatusBadRequest)
			return
		}
		if !a.usages.TryLock() {
			http.Error(w, usageBusy, http.StatusServiceUnavailable)
			return
		}
		u.Archive, err = a.usedByArchive(req.Context(), n)
		a.usages.Unlock()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(u) // the client has gone
}

// halve says in words what would halve what operations take: a rule, where one
// operation is half of it, and a sampling.
func halve(operations []archive.OperationUsage, conf config.Sampler) []string {
	out := []string{}
	var total int64
	services := map[string]int64{}
	for _, o := range operations {
		total += o.Bytes
		services[o.Service] += o.Bytes
	}
	if total == 0 {
		return out
	}
	if o := operations[0]; 2*o.Bytes >= total && o.Operation != archive.OtherOperations {
		out = append(out, fmt.Sprintf("receiver.rules: drop span where resource.service.name = %q and name = %q (%d %% of it)", o.Service, o.Operation, 100*o.Bytes/total))
	}
	names := make([]string, 0, len(services))
	for name := range services {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int { return cmp.Or(cmp.Compare(services[y], services[x]), cmp.Compare(x, y)) })
	if name := names[0]; len(names) > 1 && 10*services[name] >= 6*total && name != "" && name != archive.OtherOperations {
		now, own := conf.Services[name]
		if !own {
			now = conf.Probability
		}
		// What is left of the service is what it has less half of all.
		left := 1 - float64(total)/2/float64(services[name])
		return append(out, fmt.Sprintf("sampler.services.%s: %s (now %s)", name, share(now*left), share(now)))
	}
	return append(out, fmt.Sprintf("sampler.probability: %s (now %s), and half for each of sampler.services", share(conf.Probability/2), share(conf.Probability)))
}

// share is a probability with two digits that count.
func share(p float64) string { return strconv.FormatFloat(p, 'g', 2, 64) }
