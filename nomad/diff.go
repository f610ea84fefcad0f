package nomad

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// WriteDiff writes what differs, and nothing that does not, one line a field;
// in colour where color is set.
func WriteDiff(w io.Writer, d *api.JobDiff, updates map[string]*api.DesiredUpdates, color bool) error {
	out := &diffWriter{color: color}
	if d.Type == "None" {
		out.line(0, "None", "job %q: no change", d.ID)
	} else {
		out.line(0, d.Type, "job %q", d.ID)
	}
	out.fields(1, d.Fields)
	out.objects(1, d.Objects)
	for _, g := range d.TaskGroups {
		if g.Type == "None" {
			continue
		}
		out.line(1, g.Type, "group %q%s", g.Name, updateText(updates[g.Name]))
		out.fields(2, g.Fields)
		out.objects(2, g.Objects)
		for _, t := range g.Tasks {
			if t.Type == "None" {
				continue
			}
			out.line(2, t.Type, "task %q%s", t.Name, notes(t.Annotations))
			out.fields(3, t.Fields)
			out.objects(3, t.Objects)
		}
	}
	_, err := io.WriteString(w, out.text.String())
	return err
}

type diffWriter struct {
	text  strings.Builder
	color bool
}

// marks are the signs and colours of the kinds of difference.
var marks = map[string]struct{ sign, color string }{
	"Added": {"+  ", "\x1b[32m"}, "Deleted": {"-  ", "\x1b[31m"}, "Edited": {"+/-", "\x1b[33m"}, "None": {"   ", ""},
}

func (o *diffWriter) line(depth int, kind, format string, args ...any) {
	mark := marks[kind]
	text := mark.sign + " " + strings.Repeat("  ", depth) + fmt.Sprintf(format, args...)
	if o.color && mark.color != "" {
		text = mark.color + text + "\x1b[0m"
	}
	o.text.WriteString(text + "\n")
}

func (o *diffWriter) fields(depth int, fields []*api.FieldDiff) {
	for _, f := range fields {
		f := *f
		f.Old, f.New = readableValue(f.Name, f.Old), readableValue(f.Name, f.New)
		switch f.Type {
		case "None":
		case "Added":
			if f.New == "false" || f.New == "0" {
				continue // a default that the server filled in
			}
			o.line(depth, f.Type, "%s: %q%s", f.Name, f.New, notes(f.Annotations))
		case "Deleted":
			o.line(depth, f.Type, "%s: %q%s", f.Name, f.Old, notes(f.Annotations))
		default:
			o.line(depth, f.Type, "%s: %q => %q%s", f.Name, f.Old, f.New, notes(f.Annotations))
		}
	}
}

func (o *diffWriter) objects(depth int, objects []*api.ObjectDiff) {
	for _, b := range objects {
		if b.Type == "None" {
			continue
		}
		o.line(depth, b.Type, "%s", b.Name)
		o.fields(depth+1, b.Fields)
		o.objects(depth+1, b.Objects)
	}
}

// durations are the fields that the server writes in nanoseconds.
var durations = []string{"Delay", "MaxDelay", "Interval", "Timeout", "Grace", "KillTimeout", "ShutdownDelay", "HealthyDeadline",
	"MinHealthyTime", "ProgressDeadline", "Stagger", "Splay", "TTL"}

func readableValue(field, value string) string {
	if ns, err := strconv.ParseInt(value, 10, 64); err == nil && ns != 0 && slices.Contains(durations, field) {
		return shortDuration(time.Duration(ns))
	}
	return value
}

func notes(annotations []string) string {
	if len(annotations) == 0 {
		return ""
	}
	return " (" + strings.Join(annotations, ", ") + ")"
}

func updateText(u *api.DesiredUpdates) string {
	if u == nil {
		return ""
	}
	counts := map[string]uint64{
		"to place": u.Place, "to stop": u.Stop, "to migrate": u.Migrate, "to update in place": u.InPlaceUpdate,
		"to replace": u.DestructiveUpdate, "canaries": u.Canary, "to preempt": u.Preemptions,
	}
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		if counts[what] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[what], what))
		}
	}
	return notes(parts)
}
