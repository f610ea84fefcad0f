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

func newNomadStatusCommand() *cobra.Command {
	f := &nomadFlags{}
	var job, output string
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the job's allocations, checks, services and versions",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "table" && output != "json" {
				return &usageError{fmt.Errorf("--output %q is neither table nor json", output), "Try: appliance nomad status --help"}
			}
			cluster, err := f.cluster(cmd)
			if err != nil {
				return err
			}
			s, err := cluster.Status(cmd.Context(), job)
			if err != nil {
				return err
			}
			if output == "json" {
				out := json.NewEncoder(cmd.OutOrStdout())
				out.SetIndent("", "  ")
				return out.Encode(s)
			}
			return writeNomadStatus(cmd.OutOrStdout(), s)
		},
	}
	c.Flags().StringVar(&job, "job", nomad.DefaultSpec("").Job, "name of the job")
	c.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	f.addAccess(c.Flags())
	return c
}

func writeNomadStatus(w io.Writer, s *nomad.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	made := ""
	if !s.Ours {
		made = ", not made by the appliance"
	}
	fmt.Fprintf(t, "job\t%s (namespace %s), %s, version %d%s\n", s.Job, s.Namespace, s.Status, s.Version, made)
	fmt.Fprintf(t, "deployment\t%s\n", s.Deployment)
	if s.Ours {
		where := "in the appliance's task"
		if s.Tempo == nomad.TempoTask {
			where = "a group of its own"
		}
		for _, service := range s.Services {
			if service.Name == "tempo" && len(service.Addresses) > 0 {
				where += ", at " + strings.Join(service.Addresses, ", ")
			}
		}
		fmt.Fprintf(t, "tempo\t%s\n", where)
	}
	fmt.Fprint(t, "\nALLOCATION\tGROUP\tNODE\tVERSION\tSTATUS\tHEALTHY\tRESTARTS\n")
	for _, a := range s.Allocations {
		healthy := "unknown"
		if a.Healthy != nil {
			healthy = map[bool]string{true: "yes", false: "no"}[*a.Healthy]
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%d\n", a.ID[:8], a.Group, a.Node, a.Version, a.Status, healthy, a.Restarts)
	}
	fmt.Fprint(t, "\nCHECK\tALLOCATION\tSERVICE\tSTATUS\t\n")
	for _, a := range s.Allocations {
		for _, k := range a.Checks {
			output := ""
			if k.Status != "success" {
				output = k.Output
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", k.Name, a.ID[:8], k.Service, k.Status, output)
		}
	}
	fmt.Fprint(t, "\nSERVICE\tADDRESSES\n")
	for _, service := range s.Services {
		fmt.Fprintf(t, "%s\t%s\n", service.Name, strings.Join(service.Addresses, ", "))
	}
	fmt.Fprint(t, "\nVERSION\tSTABLE\tSUBMITTED\n")
	for _, v := range s.Versions {
		fmt.Fprintf(t, "%d\t%t\t%s\n", v.Version, v.Stable, v.Submitted.Format("2006-01-02 15:04:05 MST"))
	}
	return t.Flush()
}
