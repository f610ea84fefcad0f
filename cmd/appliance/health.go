package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const readyPath = "/ready"

func newHealthCommand() *cobra.Command {
	var timeout time.Duration
	var target string
	c := &cobra.Command{
		Use:   "health",
		Short: "Ask a running appliance whether it is ready; exit code 0 if so, 1 if not",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return wrongUsage(cmd, fmt.Errorf("--timeout %v is not above 0", timeout))
			}
			base, err := baseURL(cmd, target)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			// Until 0.2 --url was the address of /ready itself.
			said, err := askReady(ctx, strings.TrimSuffix(base, readyPath)+readyPath)
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), said)
			}
			return err
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long to wait for the answer")
	addBaseURL(c, &target)
	return addConfigFlags(c, "http.listen")
}

// askReady returns what a ready appliance answers.
func askReady(ctx context.Context, target string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return "", fmt.Errorf("no appliance answers at %s: %w", target, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return "", fmt.Errorf("read what %s answers: %w", target, err)
	}
	text := strings.TrimSpace(string(body))
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("not ready: %s", text)
	}
	return text, nil
}
