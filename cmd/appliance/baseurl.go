package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"appliance/cmd/appliance/serve"
	"appliance/internal/config"
)

// baseURL is where the appliance is, without a slash at its end: what --url says,
// or else http.listen on this machine.
func baseURL(cmd *cobra.Command, target string, conf config.Loaded) (string, error) {
	if target == "" {
		return serve.ReadScheme(conf) + "://" + serve.Reachable(conf.HTTP.Listen), nil
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		if strings.Contains(target, "@") { // there may be a password
			target = config.Redact(target)
		}
		return "", wrongUsage(cmd, fmt.Errorf("--url %q is not a URL such as http://localhost:3200", target))
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", wrongUsage(cmd, fmt.Errorf("--url %q has a query or a fragment; leave that out, since paths are added to the URL", config.Redact(target)))
	}
	return strings.TrimSuffix(target, "/"), nil
}
