package serve

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"appliance/internal/config"
	"appliance/internal/durable"
	"appliance/internal/remotewrite"
	"appliance/internal/telemetry"
)

// remoteWriteOptions are what the configuration says, of families.
func remoteWriteOptions(conf config.Loaded, families []telemetry.Metric) remotewrite.Options {
	c := conf.Metrics.RemoteWrite
	return remotewrite.Options{
		URL: c.URL, Interval: c.Interval, Labels: c.Labels, Headers: c.Headers, BearerTokenFile: c.BearerTokenFile, BasicAuthFile: c.BasicAuthFile,
		TLS: remotewrite.TLS(c.TLS), Families: families,
	}
}

// checkRemoteWrite says what is wrong with its keys whatever the machine is.
func checkRemoteWrite(conf config.Loaded) error {
	const group = "metrics.remote_write"
	if !conf.Known(group) {
		return nil
	}
	if conf.Metrics.RemoteWrite.URL == "" {
		return uselessRemoteWrite(conf, group+".")
	}
	a := appliance{conf: conf}
	err := atRemoteWrite(conf, remoteWriteOptions(conf, a.tracesMetrics()).Check())
	if conf.Known("metrics.max_series") && conf.Metrics.MaxSeries == 0 {
		err = errors.Join(err, conf.At(group+".url", errors.New("there is nothing to send, since metrics.max_series is 0; set that, or remove the URL")))
	}
	return err
}

// uselessRemoteWrite names the keys that say how to send, where nothing is sent.
func uselessRemoteWrite(conf config.Loaded, group string) error {
	var errs []error
	defaults := config.Default()
	for _, key := range config.Changed(&defaults, &conf.Config) {
		if strings.HasPrefix(key, group) {
			errs = append(errs, conf.At(key, errors.New("nothing is sent without metrics.remote_write.url; set that, or remove this")))
		}
	}
	return errors.Join(errs...)
}

// checkRemoteWriteFiles says which of its files are of no use.
func checkRemoteWriteFiles(conf config.Loaded) error {
	if conf.Metrics.RemoteWrite.URL == "" {
		return nil
	}
	return atRemoteWrite(conf, remoteWriteOptions(conf, nil).CheckFiles())
}

// atRemoteWrite gives what is wrong with options their keys.
func atRemoteWrite(conf config.Loaded, err error) error {
	return eachError(err, func(err error) error {
		if wrong, ok := errors.AsType[*remotewrite.KeyError](err); ok {
			return conf.At("metrics.remote_write."+wrong.Key, wrong.Err)
		}
		return err
	})
}

// openRemoteWrite makes what sends the metrics of received spans, where that is
// asked for. The counts are those of the data directory, so its id is what tells
// their series from those of others.
func (a *appliance) openRemoteWrite(context.Context) error {
	if a.meter == nil || a.conf.Metrics.RemoteWrite.URL == "" {
		return nil
	}
	id, err := instanceID(durable.OS, a.conf.DataDir)
	if err != nil {
		return err
	}
	o := remoteWriteOptions(a.conf, a.tracesMetrics())
	o.Labels = map[string]string{"job": "appliance", "instance": id}
	maps.Copy(o.Labels, a.conf.Metrics.RemoteWrite.Labels)
	o.UserAgent, o.Logger = "appliance/"+a.versions.Version, a.logger
	a.remote, err = remotewrite.New(o)
	return atRemoteWrite(a.conf, err)
}

func (a *appliance) runRemoteWrite(ctx context.Context) error {
	if a.remote == nil {
		return nil
	}
	return a.remote.Run(ctx)
}

// remoteWriteMetrics say whether metrics arrive. They are on /metrics alone.
func (a *appliance) remoteWriteMetrics() []telemetry.Metric {
	type emit = func(value float64, labels ...string)
	metric := func(name, help string, labels []string, read func(remotewrite.Status, emit)) telemetry.Metric {
		return telemetry.Metric{Name: name, Help: help, Labels: labels, Read: func(e func(float64, ...string)) {
			if a.remote != nil {
				read(a.remote.Status(), e)
			}
		}}
	}
	return []telemetry.Metric{
		metric("appliance_remote_write_samples_total", "Samples that the endpoint of metrics.remote_write has taken.", nil,
			func(s remotewrite.Status, e emit) { e(float64(s.Sent)) }),
		metric("appliance_remote_write_dropped_samples_total", "Samples that it did not get: refused, since it answered 4xx; late, since it took none for a minute, and newer ones took their place.", []string{"reason"},
			func(s remotewrite.Status, e emit) {
				e(float64(s.Refused), "refused")
				e(float64(s.Late), "late")
			}),
		metric("appliance_remote_write_failures_total", "Requests to it that failed in a way that may pass.", nil,
			func(s remotewrite.Status, e emit) { e(float64(s.Failures)) }),
		metric("appliance_remote_write_last_success_timestamp_seconds", "When it had taken everything. Absent before the first time.", nil,
			func(s remotewrite.Status, e emit) {
				if !s.LastSuccess.IsZero() {
					e(float64(s.LastSuccess.UnixNano()) / float64(time.Second))
				}
			}),
	}
}
