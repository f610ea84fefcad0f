package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// configPoll is how often the configuration file is looked at.
const configPoll = 2 * time.Second

// watchConfig takes the sampler's configuration anew on SIGHUP and when the file changes. What is not valid is refused
// as a whole and the last good one stays.
func (a *appliance) watchConfig(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	tick := time.NewTicker(configPoll)
	defer tick.Stop()
	path := a.conf.File
	seen := stamp(path)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
		case <-tick.C:
			now := stamp(path)
			if now == seen {
				continue
			}
			seen = now
		}
		a.reloadSampler()
	}
}

func (a *appliance) reloadSampler() {
	conf, err := a.reload()
	if err == nil {
		c, _, configErr := samplerConfig(conf)
		if err = configErr; err == nil {
			err = a.setSampling(func(p *pressure) { p.configured = c })
		}
	}
	if err != nil {
		a.logger.Error("configuration not taken over; the last good one stays", "err", err)
		return
	}
	c := a.sampler.Config()
	a.logger.Info("sampler configuration taken over; other keys need a restart", "sampling", samplingText(c.Probability, c.TargetSpansPerSecond))
}

type fileStamp struct {
	modified time.Time
	size     int64
}

func stamp(path string) fileStamp {
	if path == "" {
		return fileStamp{}
	}
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{info.ModTime(), info.Size()}
}
