package nomad

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/hashicorp/nomad/api"
)

// HCL writes a job in Nomad's job specification language, as `nomad fmt` would
// format it. It follows the hcl tags of the API's own types, so that it says
// what the API would be sent, and leaves out what is not set.
func HCL(job *api.Job) []byte {
	w := &hclWriter{}
	w.open("job", *job.ID)
	j := *job
	j.ID, j.Name = nil, nil
	w.body(reflect.ValueOf(j))
	w.close()
	return hclwrite.Format(w.buf.Bytes())
}

type hclWriter struct {
	buf   bytes.Buffer
	depth int
}

func (w *hclWriter) open(name string, labels ...string) {
	w.buf.WriteString(name)
	for _, l := range labels {
		w.buf.WriteString(" " + quote(l))
	}
	w.buf.WriteString(" {\n")
	w.depth++
}

func (w *hclWriter) close() {
	w.buf.WriteString("}\n")
	w.depth--
}

// body writes the fields of a struct: attributes in the order of the type, then blocks.
func (w *hclWriter) body(v reflect.Value) {
	empty := true
	for _, f := range fieldsOf(v) {
		if f.kind == "optional" || f.kind == "" {
			w.attribute(f.name, f.value)
			empty = false
		}
	}
	fields := fieldsOf(v)
	slices.SortStableFunc(fields, func(a, b hclField) int { return slices.Index(reading, a.name) - slices.Index(reading, b.name) })
	for _, f := range fields {
		if f.kind == "block" {
			if !empty {
				w.buf.WriteString("\n")
			}
			w.blocks(f.name, f.value)
			empty = false
		}
	}
}

// reading is the order in which a person wants to read blocks; others come before these.
var reading = []string{"constraint", "meta", "update", "group", "network", "volume", "restart", "reschedule", "ephemeral_disk",
	"task", "config", "env", "identity", "template", "volume_mount", "resources", "service", "check"}

type hclField struct {
	name, kind string
	value      reflect.Value // neither a pointer nor an empty value
}

func fieldsOf(v reflect.Value) []hclField {
	var fields []hclField
	for i := range v.NumField() {
		tag, ok := v.Type().Field(i).Tag.Lookup("hcl")
		if !ok || tag == "-" {
			continue
		}
		value := v.Field(i)
		if value.IsZero() || (value.Kind() == reflect.Slice || value.Kind() == reflect.Map) && value.Len() == 0 {
			continue
		}
		if value.Kind() == reflect.Pointer {
			value = value.Elem()
		}
		name, kind, _ := strings.Cut(tag, ",")
		fields = append(fields, hclField{name, kind, value})
	}
	return fields
}

func labelOf(v reflect.Value) []string {
	for _, f := range fieldsOf(v) {
		if f.kind == "label" {
			return []string{f.value.String()}
		}
	}
	return nil
}

func (w *hclWriter) blocks(name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			if i > 0 {
				w.buf.WriteString("\n")
			}
			w.blocks(name, reflect.Indirect(v.Index(i)))
		}
	case reflect.Map:
		if v.Type().Elem().Kind() == reflect.Pointer { // labelled blocks, such as volumes
			for _, key := range slices.SortedFunc(slices.Values(v.MapKeys()), byText) {
				w.blocks(name, v.MapIndex(key).Elem())
			}
			return
		}
		w.open(name)
		for _, key := range slices.SortedFunc(slices.Values(v.MapKeys()), byText) {
			w.attribute(key.String(), v.MapIndex(key))
		}
		w.close()
	default:
		w.open(name, labelOf(v)...)
		switch b := v.Interface().(type) {
		case api.NetworkResource:
			w.network(b)
		case api.Task: // its default identity is a block like those with names
			if b.Identity != nil {
				b.Identities = append([]*api.WorkloadIdentity{b.Identity}, b.Identities...)
			}
			w.body(reflect.ValueOf(b))
		default:
			w.body(v)
		}
		w.close()
	}
}

// network writes both kinds of ports as port blocks; the API keeps those with a fixed number apart.
func (w *hclWriter) network(n api.NetworkResource) {
	ports := slices.Concat(n.ReservedPorts, n.DynamicPorts)
	n.ReservedPorts, n.DynamicPorts = nil, nil
	w.body(reflect.ValueOf(n))
	slices.SortFunc(ports, func(a, b api.Port) int { return strings.Compare(a.Label, b.Label) })
	for i, p := range ports {
		if i > 0 {
			w.buf.WriteString("\n")
		}
		label := p.Label
		if p.Label = ""; p == (api.Port{}) {
			w.buf.WriteString("port " + quote(label) + " {}\n")
			continue
		}
		w.open("port", label)
		w.body(reflect.ValueOf(p))
		w.close()
	}
}

func byText(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) }

func (w *hclWriter) attribute(name string, v reflect.Value) {
	if s, ok := v.Interface().(string); ok && strings.Contains(s, "\n") {
		indent := strings.Repeat("  ", w.depth)
		fmt.Fprintf(&w.buf, "%s = <<-EOH\n%s%sEOH\n", name, heredoc(s, indent+"  "), indent)
		return
	}
	fmt.Fprintf(&w.buf, "%s = %s\n", name, expression(v))
}

// heredoc prepares a text for <<-EOH, whose lines lose the indentation that they share.
func heredoc(s, indent string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSuffix(s, "\n") + "\n") {
		b.WriteString(indent + escapeTemplate(line))
	}
	return b.String()
}

func expression(v reflect.Value) string {
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if d, ok := v.Interface().(time.Duration); ok {
		return quote(shortDuration(d))
	}
	switch v.Kind() {
	case reflect.String:
		return quote(v.String())
	case reflect.Slice:
		if v.Len() == 1 {
			return "[" + expression(v.Index(0)) + "]"
		}
		var b strings.Builder
		b.WriteString("[\n")
		for i := range v.Len() {
			b.WriteString(expression(v.Index(i)) + ",\n")
		}
		return b.String() + "]"
	case reflect.Map:
		var b strings.Builder
		b.WriteString("{\n")
		for _, key := range slices.SortedFunc(slices.Values(v.MapKeys()), byText) {
			b.WriteString(quote(key.String()) + " = " + expression(v.MapIndex(key)) + "\n")
		}
		return b.String() + "}"
	}
	return fmt.Sprint(v.Interface())
}

// quote writes a string literal. What Nomad interpolates by itself stays as it
// is, anything else that looks like a template is escaped.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range escapeTemplate(s) {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// interpolated are the prefixes of what Nomad replaces when it places and starts a task.
var interpolated = []string{"NOMAD_", "attr.", "meta.", "node.", "env.", "device."}

func escapeTemplate(s string) string {
	s = strings.ReplaceAll(s, "%{", "%%{")
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "${")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if !slices.ContainsFunc(interpolated, func(p string) bool { return strings.HasPrefix(after, p) }) {
			b.WriteByte('$')
		}
		b.WriteString("${")
		s = after
	}
}

// shortDuration leaves out the zero parts: 24h, not 24h0m0s.
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

// mib writes a number of mebibytes as the configuration and GOMEMLIMIT read it.
func mib(n int) string { return strconv.Itoa(n) + "MiB" }
