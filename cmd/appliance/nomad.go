package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"appliance/cmd/appliance/serve"
	"appliance/internal/config"
	"appliance/nomad"
)

func newNomadCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "nomad",
		Short: "Put the appliance into a Nomad cluster",
		Long: `Put the appliance into a Nomad cluster, as one job with its services, checks and volume.

Nomad is found by the flags, else by nomad.address and nomad.namespace of the configuration (--config, APPLIANCE_NOMAD_ADDRESS, ...), else as its
own command line finds it: NOMAD_ADDR, NOMAD_REGION, NOMAD_NAMESPACE, NOMAD_TOKEN, NOMAD_CACERT, NOMAD_CAPATH, NOMAD_CLIENT_CERT, NOMAD_CLIENT_KEY,
NOMAD_TLS_SERVER_NAME, NOMAD_SKIP_VERIFY, NOMAD_HTTP_AUTH. Nothing else of the configuration concerns the job: its keys are given with --set.`,
	}
	addConfigFile(c.PersistentFlags())
	c.AddCommand(
		newNomadSpecCommand(),
		newNomadPlanCommand(),
		newNomadRegisterCommand(),
		newNomadStatusCommand(),
		newNomadDeregisterCommand(),
		newNomadPolicyCommand(),
	)
	return c
}

// nomadFlags are what most of the commands have in common: the spec, and how to reach Nomad.
type nomadFlags struct {
	spec   nomad.Spec
	file   string
	access nomad.Access
}

// addSpec gives c a flag for each setting of the spec.
func (f *nomadFlags) addSpec(c *cobra.Command) {
	f.spec = nomad.DefaultSpec("appliance:" + version)
	c.Flags().StringVar(&f.file, "var-file", "", "file with NAME = VALUE lines (HCL); names are those of the flags, with underscores; flags count more, for set and env key by key")
	for _, v := range f.spec.Vars() {
		switch p := v.Value.(type) {
		case *string:
			c.Flags().StringVar(p, v.Flag(), *p, v.Doc)
		case **int:
			c.Flags().Var(&optionalInt{p}, v.Flag(), v.Doc)
		case *int:
			c.Flags().IntVar(p, v.Flag(), *p, v.Doc)
		case *bool:
			c.Flags().BoolVar(p, v.Flag(), *p, v.Doc)
		case *time.Duration:
			c.Flags().Var(&duration{p}, v.Flag(), v.Doc)
		case *[]string:
			c.Flags().StringArrayVar(p, v.Flag(), *p, v.Doc)
		case *map[string]string:
			c.Flags().Var(&pairs{p}, v.Flag(), v.Doc)
		}
	}
}

const (
	addressDoc   = "address of Nomad (key nomad.address; also NOMAD_ADDR)"
	namespaceDoc = "namespace (key nomad.namespace; also NOMAD_NAMESPACE)"
)

// addAccess gives c the flags of Nomad's own command line.
func (f *nomadFlags) addAccess(flags *pflag.FlagSet) {
	a := &f.access
	flags.StringVar(&a.Address, "address", "", addressDoc)
	flags.StringVar(&a.Region, "region", "", "region (NOMAD_REGION)")
	flags.StringVar(&a.Namespace, "namespace", "", namespaceDoc)
	flags.StringVar(&a.Token, "token", "", "ACL token (NOMAD_TOKEN)")
	flags.StringVar(&a.CACert, "ca-cert", "", "CA of Nomad's certificate, PEM (NOMAD_CACERT)")
	flags.StringVar(&a.CAPath, "ca-path", "", "directory of CAs, PEM (NOMAD_CAPATH)")
	flags.StringVar(&a.ClientCert, "client-cert", "", "our certificate, PEM (NOMAD_CLIENT_CERT)")
	flags.StringVar(&a.ClientKey, "client-key", "", "its key, PEM (NOMAD_CLIENT_KEY)")
	flags.StringVar(&a.TLSServerName, "tls-server-name", "", "name that Nomad's certificate must have (NOMAD_TLS_SERVER_NAME)")
	flags.BoolVar(&a.TLSSkipVerify, "tls-skip-verify", false, "do not check Nomad's certificate (NOMAD_SKIP_VERIFY)")
}

// configured takes nomad.address and nomad.namespace for the flags that were
// not given, and for what is part of the job Nomad's own variables too.
func (f *nomadFlags) configured(c *cobra.Command) error {
	conf, err := loadConfig(c)
	if err != nil {
		return err
	}
	f.access.Address = cmp.Or(f.access.Address, conf.Nomad.Address)
	f.access.Namespace = cmp.Or(f.access.Namespace, conf.Nomad.Namespace, os.Getenv("NOMAD_NAMESPACE"))
	f.access.Region = cmp.Or(f.access.Region, os.Getenv("NOMAD_REGION"))
	return nil
}

// built returns the spec that the variables file and the flags give, checked.
func (f *nomadFlags) built(c *cobra.Command) (nomad.Spec, error) {
	s := nomad.DefaultSpec("appliance:" + version)
	if err := f.configured(c); err != nil {
		return s, err
	}
	if f.file != "" {
		if err := s.ReadVars(f.file); err != nil {
			return s, wrongUsage(c, err)
		}
	}
	s.Override(&f.spec, func(v nomad.Var) bool { return c.Flags().Changed(v.Flag()) })
	s.Namespace, s.Region = f.access.Namespace, f.access.Region
	errs := []error{checkSettings(s.Settings)}
	job, err := s.Build()
	if errs = append(errs, err); err == nil {
		errs = append(errs, checkTask(job))
	}
	if err := errors.Join(errs...); err != nil {
		return s, wrongUsage(c, err)
	}
	return s, nil
}

// cluster connects to Nomad. Nothing is sent yet, so an error is a mistake in an address or a file.
func (f *nomadFlags) cluster(c *cobra.Command) (*nomad.Cluster, error) {
	if err := f.configured(c); err != nil {
		return nil, err
	}
	client, err := f.access.Connect()
	if err != nil {
		return nil, wrongUsage(c, err)
	}
	return nomad.NewCluster(client, f.access.Namespace), nil
}

// writeNotes writes what a person should know about the choices that were made.
func writeNotes(w io.Writer, s nomad.Spec) {
	for _, n := range s.Notes() {
		fmt.Fprintln(w, "note: "+n)
	}
}

// checkSettings says which settings are no keys of the configuration.
func checkSettings(settings map[string]string) error {
	keys := config.Keys()
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !slices.ContainsFunc(keys, func(k config.Key) bool { return k.Path == name }) {
			errs = append(errs, fmt.Errorf("--set %s: there is no such key; see docs/configuration.md", name))
		}
	}
	return errors.Join(errs...)
}

// checkTask says what serve will refuse of the environment that the job gives
// it, before it is carried into a cluster. What Nomad fills in is known there
// only, and so is a file that a person names.
func checkTask(job *api.Job) error {
	env := job.TaskGroups[0].Tasks[0].Env
	whole := env["APPLIANCE_CONFIG"] == ""
	conf, err := config.Load(config.Sources{Getenv: func(name string) (string, bool) {
		value, ok := env[name]
		if !strings.Contains(value, "${") {
			return value, ok
		}
		// those are ours
		if !slices.Contains([]string{
			"APPLIANCE_DATA_DIR", "APPLIANCE_RECEIVER_LISTEN", "APPLIANCE_RECEIVER_GRPC_LISTEN", "APPLIANCE_HTTP_LISTEN",
		}, name) {
			whole = false
		}
		return "", false
	}})
	if whole {
		return errors.Join(err, serve.CheckKeys(conf))
	}
	_, _, sampling := serve.SamplerConfig(conf)
	return errors.Join(err, sampling)
}

// colored tells whether w is a terminal that may be written to in colour.
func colored(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && isatty.IsTerminal(f.Fd())
}

// duration is a flag that takes days and weeks too, as the configuration does.
type duration struct{ to *time.Duration }

func (d *duration) Set(text string) (err error) {
	*d.to, err = config.ParseDuration(text)
	return err
}

func (d *duration) Type() string { return "duration" }

func (d *duration) String() string {
	if d.to == nil { // pflag asks an empty one for its zero
		return "0s"
	}
	return d.to.String()
}

// optionalInt is a flag that has no value where it is not given.
type optionalInt struct{ to **int }

func (o *optionalInt) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%q is not a whole number", text)
	}
	*o.to = &n
	return nil
}

func (o *optionalInt) Type() string { return "int" }

func (o *optionalInt) String() string { return "" }

// pairs is a flag NAME=VALUE that may be repeated.
type pairs struct{ to *map[string]string }

func (p *pairs) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return fmt.Errorf("%q is not NAME=VALUE", text)
	}
	if *p.to == nil {
		*p.to = map[string]string{}
	}
	(*p.to)[name] = value
	return nil
}

func (p *pairs) Type() string { return "NAME=VALUE" }

func (p *pairs) String() string { return "" }
