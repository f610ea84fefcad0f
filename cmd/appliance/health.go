package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

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
			if target == "" {
				conf, err := loadConfig(cmd)
				if err != nil {
					return err
				}
				target = "http://" + reachable(conf.HTTP.Listen) + "/ready"
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
			if err != nil {
				return &usageError{fmt.Errorf("--url %q is not a URL", target), "Try: appliance health --help"}
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				var u *url.Error
				if errors.As(err, &u) {
					err = u.Err
				}
				return fmt.Errorf("no appliance answers at %s: %w", target, err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
			text := strings.TrimSpace(string(body))
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("not ready: %s", text)
			}
			fmt.Fprintln(cmd.OutOrStdout(), text)
			return nil
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long to wait for the answer")
	c.Flags().StringVar(&target, "url", "", "URL to ask (default: /ready on http.listen)")
	return addConfigFlags(c)
}

// reachable makes a listen address one that this machine can call.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
