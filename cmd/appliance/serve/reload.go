package serve

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"appliance/cmd/appliance/status"
	"appliance/internal/config"
	"appliance/sampler"
)

// configPoll is how often the configuration file is looked at.
const configPoll = 2 * time.Second

// watchConfig takes the keys of sampler and tail again on SIGHUP
// and when the file changes. What is not valid is refused as a whole and the
// last good one stays.
func (a *appliance) watchConfig(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	tick := time.NewTicker(configPoll)
	defer tick.Stop()
	a.followConfig(ctx, hup, tick.C)
	return nil
}

func (a *appliance) followConfig(ctx context.Context, hup <-chan os.Signal, tick <-chan time.Time) {
	file := watchFile(a.conf.File)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			file.changed() // what is read now is not news at the next tick
			a.reloadConfig(slog.LevelInfo)
		case <-tick:
			if file.changed() {
				a.reloadConfig(slog.LevelDebug)
			}
		}
	}
}

// reloadConfig takes the sampler's keys and the rules of tail sampling over and
// says which others differ from what runs. That nothing differs is news to
// whoever sent a signal, and not where a file was merely touched, hence its
// level.
func (a *appliance) reloadConfig(unchanged slog.Level) {
	conf, err := a.reload()
	var c sampler.Config
	if err == nil {
		c, _, err = SamplerConfig(conf)
	}
	var differs bool
	if err == nil {
		err = a.setSampling(func(p *pressure) {
			relief := reliefConfig(conf)
			differs = p.relief != relief || !reflect.DeepEqual(p.configured, c)
			p.configured, p.relief = c, relief
		})
	}
	var rules bool
	if err == nil {
		rules, err = a.reloadTail(conf)
	}
	if err != nil {
		a.logger.Error("configuration not taken over; the last good one stays", "err", err)
		return
	}
	later := slices.DeleteFunc(config.Changed(&a.conf.Config, &conf.Config), func(path string) bool {
		return strings.HasPrefix(path, "sampler.") || strings.HasPrefix(path, "tail.") && a.reloadsTail()
	})
	if rules {
		a.logger.Info("rules of tail sampling taken over", "rules", len(conf.Tail.Rules), "decision_wait", conf.Tail.DecisionWait.String())
	}
	switch {
	case differs:
		a.logger.Info("sampler configuration taken over", "sampling", status.SamplingText(c.Probability, c.TargetSpansPerSecond))
	case len(later) == 0 && !rules:
		a.logger.Log(context.Background(), unchanged, "configuration read again; nothing differs from what runs")
	}
	if len(later) > 0 {
		a.logger.Warn("keys of the configuration differ from what runs; they need a restart", "keys", strings.Join(later, " "))
	}
}

// fileWatch notices that a file is another than when it was last asked.
type fileWatch struct {
	path     string
	modified time.Time
	size     int64
}

func watchFile(path string) *fileWatch {
	f := &fileWatch{path: path}
	f.changed()
	return f
}

func (f *fileWatch) changed() bool {
	before := *f
	f.modified, f.size = time.Time{}, 0
	if f.path == "" {
		return false
	}
	if info, err := os.Stat(f.path); err == nil {
		f.modified, f.size = info.ModTime(), info.Size()
	}
	return *f != before
}
