package config

import "strings"

// renamed are keys of earlier versions, with what to do instead.
var renamed = map[string]string{
	"tempo.retention":        "is called retention now",
	"tempo.memory_limit":     "is gone with the embedded Tempo; memory_limit is that of the whole process",
	"tempo.config_file":      "is gone with the embedded Tempo; `appliance config from-tempo FILE` prints what of the file means something here",
	"forwarder.resend_after": "is gone with the embedded Tempo; remove it",
}

// envOf is the variable of a key.
func envOf(path string) string {
	return "APPLIANCE_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}
