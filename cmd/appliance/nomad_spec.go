package main

import (
	"github.com/hashicorp/nomad/api"
	"github.com/spf13/cobra"

	"appliance/nomad"
)

func newNomadSpecCommand() *cobra.Command {
	f := &nomadFlags{}
	c := &cobra.Command{
		Use:   "spec",
		Short: "Print the job",
		Long: `Print the job, as HCL for nomad job run, or as JSON. Nothing is sent to Nomad.

--tempo embedded, the default, is one task that stores the traces itself. --tempo task runs a Tempo as a group of its own, with its own memory
and its own fate; the appliance finds it by its service name. --tempo elsewhere is for a Tempo that runs already.`,
		Example: `  appliance nomad spec --image registry.example/appliance:1.0 > tempo.nomad.hcl
  appliance nomad spec --driver raw_exec --command /opt/appliance --data /var/lib/appliance
  appliance nomad spec --set sampler.probability=0.1 --constraint 'node.class = storage'`,
		Args: cobra.NoArgs,
	}
	output := addOutputFlag(c, []string{"hcl", "json"})
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		format, err := output()
		if err != nil {
			return err
		}
		s, err := f.built(cmd)
		if err != nil {
			return err
		}
		job, err := s.Build()
		if err != nil {
			return err
		}
		writeNotes(cmd.ErrOrStderr(), s)
		if format == "json" {
			return writeJSON(cmd.OutOrStdout(), struct{ Job *api.Job }{job})
		}
		_, err = cmd.OutOrStdout().Write(nomad.HCL(job))
		return err
	}
	f.addSpec(c)
	c.Flags().StringVar(&f.access.Region, "region", "", "region (NOMAD_REGION)")
	c.Flags().StringVar(&f.access.Namespace, "namespace", "", namespaceDoc)
	return c
}
