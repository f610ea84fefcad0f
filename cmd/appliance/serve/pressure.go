package serve

import (
	"context"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"appliance/internal/config"
	"appliance/sampler"
)

const (
	pressureEvery = time.Second
	pressureEases = 0.9 // of the threshold, where sampling returns to what is configured
)

// pressure is the sampler's configuration as a person wrote it, and whether a
// full spool lowers its target now.
type pressure struct {
	mu         sync.Mutex
	configured sampler.Config
	relief     relief
	on         bool
}

// relief is what a person wrote of the case that the spool fills.
type relief struct {
	threshold float64 // share of the spool
	target    float64 // spans per second, 0 for no relief
}

func reliefConfig(conf config.Loaded) relief {
	return relief{conf.Sampler.PressureThreshold, conf.Sampler.PressureSpansPerSecond}
}

// wanted tells whether the target is to be lowered at a fill of the spool, if
// it is lowered now or not.
func (r relief) wanted(on bool, fill float64) bool {
	if on {
		return r.target > 0 && fill > r.threshold*pressureEases
	}
	return r.target > 0 && fill > r.threshold
}

// setSampling takes a configuration over, from a person or with on from the spool.
func (a *appliance) setSampling(change func(p *pressure)) error {
	p := &a.pressure
	p.mu.Lock()
	defer p.mu.Unlock()
	configured, relief, on := p.configured, p.relief, p.on
	change(p)
	c := p.configured
	if target := p.relief.target; p.on && target > 0 && (c.TargetSpansPerSecond == 0 || target < c.TargetSpansPerSecond) {
		c.TargetSpansPerSecond = target
	}
	err := a.sampler.Reload(c)
	if err != nil {
		p.configured, p.relief, p.on = configured, relief, on
	}
	return err
}

func (a *appliance) underPressure() bool {
	a.pressure.mu.Lock()
	defer a.pressure.mu.Unlock()
	return a.pressure.on
}

// watchSpool lowers the sampler's target while the spool is fuller than the
// threshold, if that is configured.
func (a *appliance) watchSpool(ctx context.Context) error {
	tick := time.NewTicker(pressureEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		a.pressure.mu.Lock()
		relief, on := a.pressure.relief, a.pressure.on
		a.pressure.mu.Unlock()
		if relief.target == 0 && !on {
			continue
		}
		st := a.spool.Status()
		if relief.wanted(on, float64(st.Bytes)/float64(st.MaxBytes)) == on {
			continue
		}
		if err := a.setSampling(func(p *pressure) { p.on = !on }); err != nil {
			a.logger.Error("sampling does not follow the spool", "err", err)
			continue
		}
		if on {
			a.logger.Info("the spool has room again; sampling is as configured", "spool", humanize.IBytes(uint64(st.Bytes)))
		} else {
			a.logger.Warn("the spool fills; sampling is lowered to the target for this case", "spool", humanize.IBytes(uint64(st.Bytes)), "spool_max", humanize.IBytes(uint64(st.MaxBytes)), "target_spans_per_second", relief.target)
		}
	}
}
