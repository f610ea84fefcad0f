package serve

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/hashicorp/nomad/api"

	"appliance/internal/access"
	"appliance/internal/config"
	"appliance/nomad"
	"appliance/receiver"
)

// Check says what serve would refuse at its start in a configuration, all of it
// but what Load said already, and starts nothing.
func Check(conf config.Loaded) error {
	_, nomad := NomadClient(conf)
	return errors.Join(CheckKeys(conf), checkFiles(conf), nomad)
}

// CheckKeys says what is wrong whatever the machine is.
func CheckKeys(conf config.Loaded) error {
	_, _, sampling := SamplerConfig(conf)
	errs := []error{
		conf.CheckServe(), checkArchive(conf), sampling, checkReceiver(conf), checkPairs(conf), checkRemoteWrite(conf),
	}
	if conf.Known("tail.rules") {
		errs = append(errs, CheckTail(conf))
	}
	return errors.Join(errs...)
}

// checkReceiver gives what the receiver refuses the place of its key. Of keys that
// cannot be read that is said already.
func checkReceiver(conf config.Loaded) error {
	return eachError(receiverConfig(conf).Check(), func(err error) error {
		wrong, ok := errors.AsType[*receiver.ConfigError](err)
		if !ok {
			return err
		}
		if !conf.Known("receiver."+wrong.Key, "receiver.max_body_bytes") {
			return nil
		}
		return conf.At("receiver."+wrong.Key, wrong.Err)
	})
}

// eachError replaces each of the errors that are joined in err.
func eachError(err error, replace func(error) error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok:
		return replace(err)
	}
	var all []error
	for _, err := range joined.Unwrap() {
		all = append(all, eachError(err, replace))
	}
	return errors.Join(all...)
}

// checkPairs says which file of TLS needs another that is not named.
func checkPairs(conf config.Loaded) error {
	var errs []error
	for _, port := range []struct {
		group string
		access.TLS
	}{{"receiver.tls.", receiverConfig(conf).TLS}, {"http.tls.", readTLS(conf)}} {
		if conf.Known(port.group+"cert_file", port.group+"key_file") {
			errs = append(errs, atFiles(conf, port.group, port.Validate()))
		}
	}
	return errors.Join(errs...)
}

// checkFiles says which of the files with certificates and secrets are of no use.
func checkFiles(conf config.Loaded) error {
	r, read := receiverConfig(conf), readAuth(conf)
	ignore := func(error) {}
	_, senders := access.OpenTokens(r.Auth.BearerTokenFile, 0, ignore)
	_, tokens := access.OpenTokens(read.BearerTokenFile, 0, ignore)
	_, users := access.OpenUsers(read.BasicAuthFile, 0, ignore)
	return errors.Join(
		atFiles(conf, "receiver.tls.", checkTLS(r.TLS)), atFiles(conf, "receiver.auth.", senders),
		atFiles(conf, "http.tls.", checkTLS(readTLS(conf))), atFiles(conf, "http.auth.", errors.Join(tokens, users)),
		checkRemoteWriteFiles(conf),
	)
}

// checkTLS reads the files of a port. That one of them is not named is said by
// checkPairs.
func checkTLS(t access.TLS) error {
	if t.Validate() != nil {
		return nil
	}
	ignore := func(error) {}
	_, err := t.Config(0, ignore, ignore)
	return err
}

// atFiles gives what is wrong with files their keys, which stand in a group.
func atFiles(conf config.Loaded, group string, err error) error {
	return eachError(err, func(err error) error {
		if file, ok := errors.AsType[*access.FileError](err); ok {
			err = file.Err
			if file.Path != "" {
				err = fmt.Errorf("%s: %w", file.Path, err)
			}
			return conf.At(group+file.Key, err)
		}
		return err
	})
}

// NomadServices are the keys that name a service of Nomad, with its name.
func NomadServices(conf config.Loaded) map[string]string {
	services := map[string]string{}
	for key, raw := range map[string]string{"forwarder.tempo_url": conf.Forwarder.TempoURL, "tempo.query_url": conf.Tempo.QueryURL} {
		if u, err := url.Parse(raw); err == nil && u.Scheme == "nomad" {
			services[key] = u.Hostname()
		}
	}
	return services
}

// NomadClient is for the services and the lock that the configuration names;
// nil where it names none. Nothing is sent yet.
func NomadClient(conf config.Loaded) (*api.Client, error) {
	services := NomadServices(conf)
	wanted := ""
	switch {
	case services["forwarder.tempo_url"] != "":
		wanted = "forwarder.tempo_url"
	case services["tempo.query_url"] != "":
		wanted = "tempo.query_url"
	case conf.Nomad.Lock != "":
		wanted = "nomad.lock"
	default:
		return nil, nil
	}
	access, err := nomad.Access{Address: conf.Nomad.Address, Namespace: conf.Nomad.Namespace}.InTask()
	if err != nil {
		return nil, conf.At(wanted, fmt.Errorf("needs Nomad: %w; outside of a task set nomad.address or NOMAD_ADDR", err))
	}
	client, err := access.Connect()
	if err != nil {
		return nil, conf.At("nomad.address", err)
	}
	return client, nil
}
