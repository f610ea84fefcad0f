package nomad

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/gocty"

	"appliance/internal/config"
)

// Var is a setting of a Spec that a person can make.
type Var struct {
	Name  string // as in a variables file
	Doc   string
	Value any // pointer to the field
}

// Flag is the name of the setting as a flag.
func (v Var) Flag() string { return strings.ReplaceAll(v.Name, "_", "-") }

// Vars lists the settings of s.
func (s *Spec) Vars() []Var {
	var vars []Var
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		if name := tag.Get("var"); name != "-" {
			vars = append(vars, Var{name, tag.Get("doc"), v.Field(i).Addr().Interface()})
		}
	}
	return vars
}

// ReadVars sets what a variables file says, in the syntax of Nomad's own: NAME
// = VALUE. Every mistake is named with its place.
func (s *Spec) ReadVars(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read variables: %w", err)
	}
	parsed, diags := hclsyntax.ParseConfig(text, file, hcl.InitialPos)
	if diags.HasErrors() {
		return diagnosed(diags)
	}
	attributes, diags := parsed.Body.JustAttributes()
	if diags.HasErrors() {
		return diagnosed(diags)
	}
	vars := s.Vars()
	var errs []error
	for name, attribute := range attributes {
		i := slices.IndexFunc(vars, func(v Var) bool { return v.Name == name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("%s: there is no variable %q; see appliance nomad spec --help", place(attribute.NameRange), name))
			continue
		}
		value, diags := attribute.Expr.Value(nil)
		if diags.HasErrors() {
			errs = append(errs, diagnosed(diags))
			continue
		}
		if err := assign(vars[i].Value, value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", place(attribute.Expr.Range()), name, err))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// Override sets what a person gave beside a variables file: the variables of
// given that was says yes to. Maps are merged, and given counts more for a
// name that both have. Everything else is replaced as a whole, lists too: they
// have no names by which an entry could replace another.
func (s *Spec) Override(given *Spec, was func(Var) bool) {
	from := given.Vars()
	for i, v := range s.Vars() {
		if !was(v) {
			continue
		}
		if to, ok := v.Value.(*map[string]string); ok {
			merged := maps.Clone(*to)
			if merged == nil {
				merged = map[string]string{}
			}
			maps.Copy(merged, *from[i].Value.(*map[string]string))
			*to = merged
			continue
		}
		reflect.ValueOf(v.Value).Elem().Set(reflect.ValueOf(from[i].Value).Elem())
	}
	// Of one key a variable counts more than a setting, so the file's variable
	// must not stand before a setting that was given.
	for key := range given.Settings {
		if _, both := given.Env[envName(key)]; !both {
			delete(s.Env, envName(key))
		}
	}
}

func assign(to any, value cty.Value) error {
	if d, ok := to.(*time.Duration); ok {
		var text string
		if err := gocty.FromCtyValue(value, &text); err != nil {
			return err
		}
		var err error
		*d, err = config.ParseDuration(text)
		return err
	}
	if p, ok := to.(**int); ok {
		*p = new(int)
		to = *p
	}
	target := map[reflect.Type]cty.Type{
		reflect.TypeFor[*string]():            cty.String,
		reflect.TypeFor[*int]():               cty.Number,
		reflect.TypeFor[*bool]():              cty.Bool,
		reflect.TypeFor[*[]string]():          cty.List(cty.String),
		reflect.TypeFor[*map[string]string](): cty.Map(cty.String),
	}[reflect.TypeOf(to)]
	converted, err := convert.Convert(value, target)
	if err != nil {
		return err
	}
	return gocty.FromCtyValue(converted, to)
}

func diagnosed(diags hcl.Diagnostics) error {
	var errs []error
	for _, d := range diags {
		where := ""
		if d.Subject != nil {
			where = place(*d.Subject) + ": "
		}
		errs = append(errs, fmt.Errorf("%s%s: %s", where, strings.ToLower(d.Summary), d.Detail))
	}
	return errors.Join(errs...)
}

func place(r hcl.Range) string {
	return fmt.Sprintf("%s:%d:%d", r.Filename, r.Start.Line, r.Start.Column)
}
