package main

import (
	"fmt"
	"html"
	"strings"
)

// pageEvery is how often a browser asks for the status page again, in seconds.
const pageEvery = 5

// statusPage is what GET / answers: what is here, and the status as `appliance status` prints it.
func statusPage(s status) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta http-equiv="refresh" content="%d"><title>appliance %s</title></head>
<body>
<pre>
%s</pre>
<ul>
`, pageEvery, html.EscapeString(s.Version), html.EscapeString(statusText(s, nil)))
	for _, link := range []struct{ path, does string }{
		{statusPath, "the same as JSON (appliance status)"},
		{"/metrics", "for Prometheus"},
		{"/ready", "are spans taken now?"},
		{"/healthz", "is the process alive?"},
	} {
		fmt.Fprintf(&b, "<li><a href=\"%s\">%s</a> %s</li>\n", link.path, link.path, link.does)
	}
	b.WriteString("<li>/api/... Tempo's read API: the URL of a Tempo data source in Grafana is that of this page</li>\n</ul>\n</body>\n</html>\n")
	return b.String()
}
