package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"appliance/nomad"
)

func newNomadDeregisterCommand() *cobra.Command {
	f := &nomadFlags{}
	var job string
	var purge, yes bool
	c := &cobra.Command{
		Use:   "deregister",
		Short: "Stop the job; its data stays",
		Long: `Stop the job, after a question. Data on host volumes and in directories stays: registering again finds it.
--purge makes Nomad forget the job and its versions as well. To delete the data: nomad volume delete -type host ID.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cluster, err := f.cluster(cmd)
			if err != nil {
				return err
			}
			s, err := cluster.Status(cmd.Context(), job)
			if err != nil {
				return err
			}
			if !s.Ours {
				return fmt.Errorf("job %s was not made by the appliance; stop it with nomad job stop", job)
			}
			if !yes {
				question := fmt.Sprintf("Stop job %s (%s, %s)? Its data stays.", job, s.Status, several(len(s.Allocations), "allocation"))
				if err := confirm(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), question); err != nil {
					return err
				}
			}
			if err := cluster.Deregister(cmd.Context(), job, purge); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "job %s is being stopped\n", job)
			return nil
		},
	}
	c.Flags().StringVar(&job, "job", nomad.DefaultSpec("").Job, "name of the job")
	c.Flags().BoolVar(&purge, "purge", false, "make Nomad forget the job and its versions")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	f.addAccess(c.Flags())
	return c
}
