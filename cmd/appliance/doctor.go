package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"appliance/cmd/appliance/serve"
	"appliance/cmd/appliance/status"
	"appliance/internal/config"
)

// doctorLimit bounds all that the doctor does.
const doctorLimit = 2 * time.Minute

// verdict is what the doctor says of something.
type verdict string

const (
	fine    verdict = "fine"
	warning verdict = "warning" // it works, and may not for long
	wrong   verdict = "wrong"
	skipped verdict = "skipped" // it does not apply, or could not be looked at
)

// finding is one thing that the doctor has looked at.
type finding struct {
	Check   string  `json:"check"`
	Verdict verdict `json:"verdict"`
	What    string  `json:"what"`
	Do      string  `json:"do,omitempty"`
}

// doctor looks at an appliance and at the machine that it is on.
type doctor struct {
	conf     config.Loaded
	from     *asker
	local    bool // it is on this machine, with this configuration
	send     bool // a trace may be sent through
	otlp     string
	status   *status.Status // nil where it does not answer
	findings []finding
}

func newDoctorCommand() *cobra.Command {
	var reach clientFlags
	d := &doctor{}
	var noTrace bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Send a trace through a running appliance, look at its surroundings, and say what is wrong",
		Long: `Look at a running appliance and at the machine that it is on, and say in words what is wrong and what to do:

  configuration   is it whole, and can serve do what it says?
  appliance       does it answer, is it ready, and does it have this version?
  trace           a trace of one span, of service appliance-doctor, is sent and read back
  account         is every span accounted for; and what the status page warns of
  clock           is this machine's clock kept right, and does the appliance's agree?
  fsync           how fast data_dir takes a small write for good
  space           is there room for a full spool?
  archive         may its store be written, read and deleted from?
  tempo           does a Tempo elsewhere answer, and do its settings endanger anything?
  nomad           does Nomad answer, and does it know the services that are named?

With --url only what can be asked from here is looked at. Exit code 1 says that something is wrong; warnings end with 0.`,
		Example: `  appliance doctor
  appliance doctor --config /etc/appliance.yaml -o json
  appliance doctor --url https://tracing:3200 --otlp-url https://tracing:4318 --token-file token`,
		Args: cobra.NoArgs,
	}
	reach.add(c)
	c.Flags().StringVar(&d.otlp, "otlp-url", "", "base URL of the OTLP/HTTP receiver (default: receiver.listen on this machine)")
	c.Flags().BoolVar(&noTrace, "no-trace", false, "send nothing")
	output := addOutputFlag(c, reportOutputs)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		output, err := output()
		if err != nil {
			return err
		}
		d.local, d.send = reach.url == "", !noTrace
		ctx, cancel := context.WithTimeout(cmd.Context(), doctorLimit)
		defer cancel()
		if err := d.begin(cmd, &reach); err != nil {
			return err
		}
		var tell func(finding)
		if output == "text" {
			tell = func(f finding) { f.write(cmd.OutOrStdout()) }
		}
		d.look(ctx, tell)
		if output == "json" {
			if err := writeJSON(cmd.OutOrStdout(), d.findings); err != nil {
				return err
			}
		}
		return d.sum()
	}
	return addConfigFlags(c, allKeys()...)
}

// begin reads the configuration. One that cannot be read at all ends the
// command, since nothing would be looked at.
func (d *doctor) begin(cmd *cobra.Command, reach *clientFlags) (err error) {
	if d.from, err = reach.open(cmd); err != nil {
		return err
	}
	d.conf = d.from.conf
	return nil
}

// look makes all checks, one after the other. tell is called with each finding,
// and may be nil.
func (d *doctor) look(ctx context.Context, tell func(finding)) {
	for _, check := range []func(context.Context){
		d.checkConfiguration, d.checkAppliance, d.checkTrace, d.checkAccount, d.checkClock,
		d.checkSync, d.checkSpace, d.checkArchive, d.checkTempo, d.checkNomad,
	} {
		before := len(d.findings)
		check(ctx)
		for _, f := range d.findings[before:] {
			if tell != nil {
				tell(f)
			}
		}
	}
}

func (d *doctor) say(check string, v verdict, do, what string, args ...any) {
	d.findings = append(d.findings, finding{check, v, fmt.Sprintf(what, args...), do})
}

// write is a finding as a person reads it.
func (f finding) write(w io.Writer) {
	fmt.Fprintf(w, "%-14s %-8s %s\n", f.Check, f.Verdict, printable(f.What))
	if f.Do != "" {
		fmt.Fprintf(w, "%-14s %-8s %s\n", "", "", printable(f.Do))
	}
}

// sum is the error that the findings end with.
func (d *doctor) sum() error {
	var checks []string
	for _, f := range d.findings {
		if f.Verdict == wrong && (len(checks) == 0 || checks[len(checks)-1] != f.Check) {
			checks = append(checks, f.Check)
		}
	}
	if len(checks) == 0 {
		return nil
	}
	return errors.New("something is wrong with: " + strings.Join(checks, ", "))
}

func (d *doctor) checkConfiguration(context.Context) {
	const check = "configuration"
	if !d.local {
		d.say(check, skipped, "", "that of %s is not known here", d.from.shown)
		return
	}
	if err := serve.Check(d.conf); err != nil {
		d.say(check, wrong, "Correct it; appliance config validate says the same.", "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	where := "no file, so defaults and variables"
	if d.conf.File != "" {
		where = d.conf.File
	}
	d.say(check, fine, "", "%s", where)
}
