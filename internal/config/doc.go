// Package config is the appliance's configuration: defaults, a strict YAML
// file, environment variables and flags, in rising order of precedence, and how
// each of them is explained to a person.
//
// An error names where the value came from (file with line and column, variable
// or flag) and what to do.
package config
