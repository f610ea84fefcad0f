package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
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
				if err := confirm(cmd.InOrStdin(), cmd.ErrOrStderr(), question); err != nil {
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

// confirm asks a person; where there is none, it is an error that names --yes.
func confirm(in io.Reader, out io.Writer, question string) error {
	if f, ok := in.(*os.File); !ok || !isatty.IsTerminal(f.Fd()) {
		return &usageError{errors.New("there is no terminal to ask on; --yes goes ahead without asking"), "It would have asked: " + question}
	}
	fmt.Fprint(out, question+" [y/N] ")
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("not confirmed; nothing was changed")
	}
	return nil
}
