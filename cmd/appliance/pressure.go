package main

import (
	"context"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"appliance/sampler"
)

const (
	pressureEvery = time.Second
	pressureEases = 0.9 // of the threshold, where sampling returns to what is configured
)

// pressure is the sampler's configuration as a person wrote it, and whether a full spool lowers its target now.
type pressure struct {
	mu         sync.Mutex
	configured sampler.Config
	on         bool
}

// setSampling takes a configuration over, from a person or with on from the spool.
func (a *appliance) setSampling(change func(p *pressure)) error {
	p := &a.pressure
	p.mu.Lock()
	defer p.mu.Unlock()
	before, wasOn := p.configured, p.on
	change(p)
	c := p.configured
	if target := a.conf.Sampler.PressureSpansPerSecond; p.on && (c.TargetSpansPerSecond == 0 || target < c.TargetSpansPerSecond) {
		c.TargetSpansPerSecond = target
	}
	err := a.sampler.Reload(c)
	if err != nil {
		p.configured, p.on = before, wasOn
	}
	return err
}

func (a *appliance) underPressure() bool {
	a.pressure.mu.Lock()
	defer a.pressure.mu.Unlock()
	return a.pressure.on
}

// watchSpool lowers the sampler's target while the spool is fuller than the threshold, if that is configured.
func (a *appliance) watchSpool(ctx context.Context) error {
	threshold, target := a.conf.Sampler.PressureThreshold, a.conf.Sampler.PressureSpansPerSecond
	if target == 0 {
		return nil
	}
	tick := time.NewTicker(pressureEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		st := a.spool.Status()
		fill := float64(st.Bytes) / float64(st.MaxBytes)
		on := a.underPressure()
		if on == (fill > threshold) || on && fill > threshold*pressureEases {
			continue
		}
		if err := a.setSampling(func(p *pressure) { p.on = !on }); err != nil {
			a.logger.Error("sampling does not follow the spool", "err", err)
			continue
		}
		if on {
			a.logger.Info("the spool has room again; sampling is as configured", "spool", humanize.IBytes(uint64(st.Bytes)))
		} else {
			a.logger.Warn("the spool fills; sampling is lowered to the target for this case", "spool", humanize.IBytes(uint64(st.Bytes)), "spool_max", humanize.IBytes(uint64(st.MaxBytes)), "target_spans_per_second", target)
		}
	}
}
