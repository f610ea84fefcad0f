package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"appliance/internal/config"
	"appliance/nomad"
)

func newNomadCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "nomad",
		Short: "Put the appliance and its Tempo into a Nomad cluster",
		Long: `Put the appliance and its Tempo into a Nomad cluster, as one job with its services, checks and volume.

Nomad is found as its own command line finds it: NOMAD_ADDR, NOMAD_REGION, NOMAD_NAMESPACE, NOMAD_TOKEN, NOMAD_CACERT, NOMAD_CAPATH,
NOMAD_CLIENT_CERT, NOMAD_CLIENT_KEY, NOMAD_TLS_SERVER_NAME, NOMAD_SKIP_VERIFY, NOMAD_HTTP_AUTH, or the flags of the same names.`,
	}
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
	c.Flags().StringVar(&f.file, "var-file", "", "file with NAME = VALUE lines (HCL); names are those of the flags, with underscores; flags count more")
	for _, v := range f.spec.Vars() {
		switch p := v.Value.(type) {
		case *string:
			c.Flags().StringVar(p, v.Flag(), *p, v.Doc)
		case *int:
			c.Flags().IntVar(p, v.Flag(), *p, v.Doc)
		case *bool:
			c.Flags().BoolVar(p, v.Flag(), *p, v.Doc)
		case *time.Duration:
			c.Flags().DurationVar(p, v.Flag(), *p, v.Doc)
		case *[]string:
			c.Flags().StringArrayVar(p, v.Flag(), *p, v.Doc)
		case *map[string]string:
			c.Flags().Var(&pairs{p}, v.Flag(), v.Doc)
		}
	}
}

// addAccess gives c the flags of Nomad's own command line.
func (f *nomadFlags) addAccess(flags *pflag.FlagSet) {
	a := &f.access
	flags.StringVar(&a.Address, "address", "", "address of Nomad (NOMAD_ADDR)")
	flags.StringVar(&a.Region, "region", "", "region (NOMAD_REGION)")
	flags.StringVar(&a.Namespace, "namespace", "", "namespace (NOMAD_NAMESPACE)")
	flags.StringVar(&a.Token, "token", "", "ACL token (NOMAD_TOKEN)")
	flags.StringVar(&a.CACert, "ca-cert", "", "CA of Nomad's certificate, PEM (NOMAD_CACERT)")
	flags.StringVar(&a.CAPath, "ca-path", "", "directory of CAs, PEM (NOMAD_CAPATH)")
	flags.StringVar(&a.ClientCert, "client-cert", "", "our certificate, PEM (NOMAD_CLIENT_CERT)")
	flags.StringVar(&a.ClientKey, "client-key", "", "its key, PEM (NOMAD_CLIENT_KEY)")
	flags.StringVar(&a.TLSServerName, "tls-server-name", "", "name that Nomad's certificate must have (NOMAD_TLS_SERVER_NAME)")
	flags.BoolVar(&a.TLSSkipVerify, "tls-skip-verify", false, "do not check Nomad's certificate (NOMAD_SKIP_VERIFY)")
}

// built returns the spec that the variables file and the flags give, checked.
func (f *nomadFlags) built(c *cobra.Command) (nomad.Spec, error) {
	usage := func(err error) error { return &usageError{err, "Try: " + c.CommandPath() + " --help"} }
	s := nomad.DefaultSpec("appliance:" + version)
	if f.file != "" {
		if err := s.ReadVars(f.file); err != nil {
			return s, usage(err)
		}
	}
	given := f.spec.Vars()
	for i, v := range s.Vars() {
		if c.Flags().Changed(v.Flag()) {
			reflect.ValueOf(v.Value).Elem().Set(reflect.ValueOf(given[i].Value).Elem())
		}
	}
	s.Namespace, s.Region = f.namespace(), f.access.Region
	if _, err := s.Build(); err != nil {
		return s, usage(err)
	}
	if err := checkSettings(s.Settings); err != nil {
		return s, usage(err)
	}
	return s, nil
}

func (f *nomadFlags) namespace() string {
	if f.access.Namespace != "" {
		return f.access.Namespace
	}
	return os.Getenv("NOMAD_NAMESPACE")
}

// cluster connects to Nomad.
func (f *nomadFlags) cluster() (*nomad.Cluster, error) {
	client, err := f.access.Connect()
	if err != nil {
		return nil, err
	}
	return nomad.NewCluster(client, f.namespace()), nil
}

// checkSettings says what is wrong with keys of the configuration before a job carries them into a cluster.
func checkSettings(settings map[string]string) error {
	keys := config.Keys()
	env := map[string]string{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		i := slices.IndexFunc(keys, func(k config.Key) bool { return k.Path == name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("--set %s: there is no such key; see docs/configuration.md", name))
			continue
		}
		env[keys[i].Env] = settings[name]
	}
	if len(errs) == 0 {
		_, err := config.Load(config.Sources{Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// colored tells whether w is a terminal that may be written to in colour.
func colored(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && isatty.IsTerminal(f.Fd())
}

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
