package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"appliance/nomad"
)

const statusTime = "2006-01-02 15:04:05 MST"

func newNomadStatusCommand() *cobra.Command {
	f := &nomadFlags{}
	var job string
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the job's allocations, checks, services and versions",
		Long: `Show the job's allocations, checks, services and versions. -o wide adds whole allocation ids, and
since when they are.`,
		Args: cobra.NoArgs,
	}
	output := addOutputFlag(c, listOutputs)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		format, err := output()
		if err != nil {
			return err
		}
		cluster, err := f.cluster(cmd)
		if err != nil {
			return err
		}
		s, err := cluster.Status(cmd.Context(), job)
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		switch format {
		case "json":
			return writeJSON(out, s)
		case "jsonl":
			return json.NewEncoder(out).Encode(s)
		}
		return writeNomadStatus(out, s, format == "wide")
	}
	c.Flags().StringVar(&job, "job", nomad.DefaultSpec("").Job, "name of the job")
	f.addAccess(c.Flags())
	return c
}

func writeNomadStatus(w io.Writer, s *nomad.Status, wide bool) error {
	id := func(a nomad.AllocationStatus) string {
		if wide {
			return a.ID
		}
		return a.ID[:min(8, len(a.ID))]
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	made := ""
	if !s.Ours {
		made = ", not made by the appliance"
	}
	fmt.Fprintf(t, "job\t%s (namespace %s), %s, version %d%s\n", s.Job, s.Namespace, s.Status, s.Version, made)
	fmt.Fprintf(t, "deployment\t%s\n", s.Deployment)
	if s.Ours {
		fmt.Fprintf(t, "traces\t%s\n", whereTracesAre(s))
	}
	fmt.Fprint(t, "\nALLOCATION\tGROUP\tNODE\tVERSION\tSTATUS\tHEALTHY\tRESTARTS")
	if wide {
		fmt.Fprint(t, "\tSINCE")
	}
	fmt.Fprintln(t)
	for _, a := range s.Allocations {
		healthy := "unknown"
		if a.Healthy != nil {
			healthy = map[bool]string{true: "yes", false: "no"}[*a.Healthy]
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%d", id(a), a.Group, a.Node, a.Version, a.Status, healthy, a.Restarts)
		if wide {
			fmt.Fprint(t, "\t"+a.Since.Format(statusTime))
		}
		fmt.Fprintln(t)
	}
	fmt.Fprint(t, "\nCHECK\tALLOCATION\tSERVICE\tSTATUS\t\n")
	for _, a := range s.Allocations {
		for _, k := range a.Checks {
			output := ""
			if k.Status != "success" {
				output = k.Output
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", k.Name, id(a), k.Service, k.Status, output)
		}
	}
	fmt.Fprint(t, "\nSERVICE\tADDRESSES\n")
	for _, service := range s.Services {
		fmt.Fprintf(t, "%s\t%s\n", service.Name, strings.Join(service.Addresses, ", "))
	}
	fmt.Fprint(t, "\nVERSION\tSTABLE\tSUBMITTED\n")
	for _, v := range s.Versions {
		fmt.Fprintf(t, "%d\t%t\t%s\n", v.Version, v.Stable, v.Submitted.Format(statusTime))
	}
	return t.Flush()
}

// whereTracesAre says what stores the traces, and where it answers.
func whereTracesAre(s *nomad.Status) string {
	where := "stored by the appliance"
	switch s.Tempo {
	case nomad.TempoElsewhere:
		return "in a Tempo elsewhere, " + s.TempoURL
	case nomad.TempoTask:
		where = "in a Tempo as a group of its own"
	}
	for _, service := range s.Services {
		if service.Name == "tempo" && len(service.Addresses) > 0 {
			where += ", at " + strings.Join(service.Addresses, ", ")
		}
	}
	return where
}
