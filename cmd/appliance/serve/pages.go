package serve

import (
	"context"
	"fmt"
	"runtime/metrics"
	"time"

	"github.com/dustin/go-humanize"

	"appliance/cmd/appliance/status"
	"appliance/internal/otlpjson"
	"appliance/internal/pages"
	"appliance/internal/plural"
	"appliance/internal/tail"
	"appliance/sampler"
)

// newPages makes the pages of http.listen.
func (a *appliance) newPages() (*pages.Handler, error) {
	o := pages.Options{
		Status: func() pages.Status { return status.Page(a.status()) }, History: a.history, Tenants: a.conf.Receiver.Tenants,
		NotFound: a.whyNotFound, WriteOTLP: otlpjson.Write,
		Version: a.versions.Version, Logger: a.logger,
	}
	if engine := a.storage.reads(); engine != nil {
		o.Engine = engine
		o.Services = pages.StoredServices(engine)
	}
	if a.tail != nil && IsEmbedded(a.conf) { // a Tempo elsewhere gets what was decided
		o.Undecided = func() bool { return a.tail.Status().Traces > 0 }
	}
	if a.meter != nil {
		o.Services = countedServices{a.meter, o.Services, time.Now}
	}
	return pages.New(o)
}

// whyNotFound says what may have become of a trace that nobody has.
func (a *appliance) whyNotFound(tenant string, id [16]byte) []string {
	out := a.leftOut(tenant, id)
	a.pressure.mu.Lock()
	configured := a.pressure.configured
	a.pressure.mu.Unlock()
	if e, err := sampler.Explain(configured, sampler.Question{TraceID: fmt.Sprintf("%x", id)}); err == nil {
		verdict := "would be kept"
		if !e.Keep {
			verdict = "would be sampled out"
		}
		out = append(out, fmt.Sprintf("With this configuration a trace of this id %s: %s (%s %v). See: appliance sampler explain %x",
			verdict, e.Because, e.ProbabilityKey, e.Probability, id))
	}
	s := a.status()
	kept := "Blocks stay here for " + a.conf.Retention.String()
	if s.Store == nil {
		kept = "Its Tempo keeps blocks for a time of its own"
	}
	if s.Archive == nil {
		kept += ", and nothing is archived"
	} else if keep := a.conf.Archive.Keep; keep > 0 {
		kept += " and in the archive for " + keep.String()
	} else {
		kept += " and in the archive without an end"
	}
	out = append(out, kept+": an older trace is not here.")
	if s.Store == nil && s.Ledger.Undecided > 0 {
		out = append(out, plural.Of(int(s.Ledger.Undecided), "span")+
			" wait for the verdict of tail rules and cannot be read before; it may be among them.")
	}
	for _, c := range []struct {
		n    int64
		what string
	}{
		{status.Sum(s.Ledger.Rejected), "were rejected when they came"}, {status.Sum(s.Ledger.RuledOut), "were dropped by receiver.rules"},
		{status.Sum(s.Ledger.Discarded), "were discarded by Tempo or an operator"}, {s.Ledger.Stuck, "are set aside, since Tempo does not take them"},
		{s.Ledger.Damaged + s.Ledger.Unaccounted, "are damaged or unaccounted for"},
	} {
		if c.n > 0 {
			out = append(out, humanize.Comma(c.n)+" spans "+c.what+"; it may be among them.")
		}
	}
	return append(out, "Its sender may have sampled it out, sent it elsewhere, or not sent it yet.")
}

// leftOut says which rule of tail sampling left a trace out, if one did.
func (a *appliance) leftOut(tenant string, id [16]byte) (out []string) {
	if a.tail == nil {
		return nil
	}
	found, err := tail.Explain(nil, TailDir(a.conf), id)
	if err != nil {
		a.logger.Warn("verdicts of tail sampling cannot be read", "err", err)
		return []string{"A rule of tail sampling may have left it out; the verdicts cannot be read: " + err.Error()}
	}
	for _, v := range found {
		if v.Tenant == tenant && !v.Kept {
			out = append(out, fmt.Sprintf("Tail sampling: %s left it out at %s UTC. See: appliance tail explain %x",
				v.By(), v.Time.UTC().Format(time.DateTime), id))
		}
	}
	return out
}

// newHistory is what the status page plots.
func newHistory() *pages.History {
	line := func(name string) pages.GraphLine { return pages.GraphLine{Name: name} }
	rate := func(name string) pages.GraphLine { return pages.GraphLine{Name: name, Rate: true} }
	return pages.NewHistory([]pages.Graph{
		{Title: "Spans", Unit: "a second", Lines: []pages.GraphLine{rate("received"), rate("kept"), rate("rejected")}},
		{Title: "Spans that wait in the spool", Unit: "spans", Lines: []pages.GraphLine{line("pending")}},
		{Title: "Disk", Unit: "bytes", Lines: []pages.GraphLine{line("blocks"), line("spool"), line("free")}},
		{Title: "Memory of the process", Unit: "bytes", Lines: []pages.GraphLine{line("in use")}},
	})
}

// keepHistory adds to it now and then.
func (a *appliance) keepHistory(ctx context.Context) error {
	tick := time.NewTicker(pages.HistoryEvery)
	defer tick.Stop()
	for {
		a.remember(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *appliance) remember(now time.Time) {
	s := a.status()
	blocks, free := int64(0), int64(0)
	if s.Store != nil {
		blocks = s.Store.Bytes
	}
	if len(s.Disks) > 0 {
		free = s.Disks[0].FreeBytes
	}
	memory := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(memory)
	l := s.Ledger
	a.history.Add(now, float64(l.Received), float64(l.Kept), float64(status.Sum(l.Rejected)), float64(l.Pending),
		float64(blocks), float64(s.Spool.Bytes), float64(free), float64(memory[0].Value.Uint64()-memory[1].Value.Uint64()))
}
