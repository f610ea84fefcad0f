package config

import (
	"fmt"
	"io"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Print writes the configuration as YAML that Load reads back, sizes as somebody
// wrote them. Credentials in URLs are hidden.
func (l *Loaded) Print(w io.Writer) error { return l.write(w, func(Key) bool { return true }) }

// PrintDiff writes only what differs from the defaults.
func (l *Loaded) PrintDiff(w io.Writer) error {
	d := Default()
	return l.write(w, func(k Key) bool { return k.Text(&l.Config) != k.Text(&d) })
}

// PrintDefaults writes the defaults.
func PrintDefaults(w io.Writer) error {
	l := Loaded{Config: Default()}
	return l.Print(w)
}

// Changed lists the keys whose values differ between two configurations, credentials included.
func Changed(a, b *Config) []string {
	var paths []string
	for _, k := range Keys() {
		if k.Text(a) != k.Text(b) || k.Secret && !reflect.DeepEqual(k.field(a).Interface(), k.field(b).Interface()) {
			paths = append(paths, k.Path)
		}
	}
	return paths
}

func (l *Loaded) write(w io.Writer, wanted func(Key) bool) error {
	var out strings.Builder
	var open []string // the groups that the last line stands in
	for _, k := range Keys() {
		if !wanted(k) {
			continue
		}
		parts := strings.Split(k.Path, ".")
		groups := parts[:len(parts)-1]
		same := 0
		for same < len(groups) && same < len(open) && open[same] == groups[same] {
			same++
		}
		for i := same; i < len(groups); i++ {
			fmt.Fprintf(&out, "%s%s:\n", strings.Repeat("  ", i), groups[i])
		}
		open = groups
		text := k.Text(&l.Config)
		if written, ok := l.written[k.Path]; ok {
			text = written // letters, digits and points
		}
		fmt.Fprintf(&out, "%s%s: %s\n", strings.Repeat("  ", len(groups)), parts[len(parts)-1], text)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// Text is the key's value as YAML.
func (k Key) Text(c *Config) string {
	switch v := k.field(c).Interface().(type) {
	case string:
		if k.Secret {
			v = Redact(v)
		}
		return quote(v)
	case time.Duration:
		return shortDuration(v)
	case []string:
		items := make([]string, len(v))
		for i, s := range v {
			items[i] = quote(s)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case []TailRule:
		return tailRulesText(v)
	case map[string]float64:
		var items []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			items = append(items, quote(name)+": "+strconv.FormatFloat(v[name], 'g', -1, 64))
		}
		return "{" + strings.Join(items, ", ") + "}"
	case map[string]string:
		var items []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			value := v[name]
			if k.Secret {
				value = "xxxxx"
			}
			items = append(items, quote(name)+": "+quote(value))
		}
		return "{" + strings.Join(items, ", ") + "}"
	default:
		return fmt.Sprint(v)
	}
}

// quote leaves plain words alone and quotes what YAML could read as something else.
func quote(s string) string {
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./", r))
	}) < 0
	if _, err := strconv.ParseFloat(s, 64); plain && err != nil && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "-"}, strings.ToLower(s)) && s[0] != '-' {
		return s
	}
	return strconv.Quote(strings.ReplaceAll(s, "${", "$${"))
}

func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Redact hides the password of a URL, the values of query parameters that carry
// secrets, and the passwords of URLs that stand in others.
func Redact(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "(not a URL)"
	}
	q, changed := u.Query(), false
	for name, values := range q {
		lower := strings.ToLower(name)
		for i, value := range values {
			shown := value
			if strings.Contains(lower, "secret") || strings.Contains(lower, "token") || strings.Contains(lower, "password") || strings.Contains(lower, "key") {
				shown = "xxxxx"
			} else if inner, err := url.Parse(value); err == nil && inner.User != nil {
				shown = inner.Redacted()
			}
			values[i], changed = shown, changed || shown != value
		}
	}
	if changed {
		u.RawQuery = q.Encode()
	}
	return u.Redacted()
}
