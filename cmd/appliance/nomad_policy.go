package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newNomadPolicyCommand() *cobra.Command {
	f := &nomadFlags{}
	var whose string
	c := &cobra.Command{
		Use:   "policy",
		Short: "Print the ACL policy that the job, or the person who registers it, needs",
		Long: `Print an ACL policy, for clusters that have ACLs enabled.

--for task: what the job's tasks need beyond what Nomad gives every task: the lock by which one of several replicas archives.
--for operator: what a person needs for plan, register, status and deregister.`,
		Example: `  appliance nomad policy --for task | nomad acl policy apply -namespace default -job tempo tempo-archiver -
  appliance nomad policy --for operator | nomad acl policy apply tempo-operator -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.built(cmd)
			if err != nil {
				return err
			}
			switch whose {
			case "task":
				fmt.Fprint(cmd.OutOrStdout(), s.TaskPolicy())
			case "operator":
				fmt.Fprint(cmd.OutOrStdout(), s.OperatorPolicy())
			default:
				return &usageError{fmt.Errorf("--for %q is neither task nor operator", whose), "Try: appliance nomad policy --help"}
			}
			return nil
		},
	}
	c.Flags().StringVar(&whose, "for", "task", "task or operator")
	f.addSpec(c)
	c.Flags().StringVar(&f.access.Namespace, "namespace", "", namespaceDoc)
	return c
}
