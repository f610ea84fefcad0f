package serve

import (
	"errors"
	"fmt"
	"os"

	"appliance/internal/config"
	"appliance/sampler"
)

// SamplerConfig is what the sampler runs with: the configuration, and for keys
// that nobody set, the variables that people know from Jaeger and OpenTelemetry.
// The notes say which of those apply.
func SamplerConfig(conf config.Loaded) (sampler.Config, []string, error) {
	c := sampler.Config{
		Mode:                 sampler.Mode(conf.Sampler.Mode),
		Probability:          conf.Sampler.Probability,
		Precision:            conf.Sampler.Precision,
		Services:             conf.Sampler.Services,
		TargetSpansPerSecond: conf.Sampler.TargetSpansPerSecond,
		Window:               conf.Sampler.Window,
	}
	if conf.Known("sampler.mode") { // else it would be judged beside another mode
		c.HashSeed = conf.Sampler.HashSeed
	}
	env, notes := sampler.EnvDefaults(os.Getenv)
	overridden := func(key string) bool {
		where, set := conf.Set[key]
		if set && len(notes) > 0 {
			notes = append(notes, fmt.Sprintf("%s is set by %s, which goes first", key, where))
		}
		return set
	}
	if !overridden("sampler.probability") {
		c.Probability = env.Probability
	}
	if !overridden("sampler.target_spans_per_second") {
		c.TargetSpansPerSecond = env.TargetSpansPerSecond
	}
	err := c.Validate()
	// For the sampler zero stands for its default; here somebody has written it.
	if c.Precision == 0 {
		err = errors.Join(err, &sampler.ConfigError{Key: "sampler.precision", Err: errors.New("0 is not between 1 and 14; 4 suits nearly everyone")})
	}
	if c.Window == 0 {
		err = errors.Join(err, &sampler.ConfigError{Key: "sampler.window", Err: errors.New("0s is not between 100ms and 1h; 10s suits nearly everyone")})
	}
	if err != nil {
		return c, nil, atKeys(conf, err)
	}
	return c, notes, nil
}

// atKeys says of each of the sampler's errors where its key was set.
func atKeys(conf config.Loaded, err error) error {
	return eachError(err, func(err error) error {
		if wrong, ok := errors.AsType[*sampler.ConfigError](err); ok {
			return conf.At(wrong.Key, wrong.Err)
		}
		return err
	})
}
