package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const readyPath = "/ready"

func newHealthCommand() *cobra.Command {
	var timeout time.Duration
	var reach clientFlags
	c := &cobra.Command{
		Use:   "health",
		Short: "Ask a running appliance whether it is ready; exit code 0 if so, 1 if not",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return wrongUsage(cmd, fmt.Errorf("--timeout %v is not above 0", timeout))
			}
			// Until 0.2 --url was the address of /ready itself.
			reach.url = strings.TrimSuffix(reach.url, readyPath)
			from, err := reach.open(cmd)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			said, err := askReady(ctx, from)
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), said)
			}
			return err
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long to wait for the answer")
	reach.add(c)
	return addConfigFlags(c, "http.listen")
}

// askReady returns what a ready appliance answers.
func askReady(ctx context.Context, from *asker) (string, error) {
	a, err := from.get(ctx, readyPath, 4<<10)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(a.body))
	if a.status != http.StatusOK {
		return "", fmt.Errorf("not ready: %s", text)
	}
	return text, nil
}
