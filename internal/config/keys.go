package config

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Key is one setting of the configuration.
type Key struct {
	Path   string // as in YAML, with dots: receiver.listen
	Env    string // APPLIANCE_RECEIVER_LISTEN
	Flag   string // receiver-listen, empty where it is no flag
	Type   string // for people: string, number, size, duration, list, ...
	Doc    string
	Secret bool // its value may carry credentials

	index []int // of the field, for reflect
}

// Keys lists every setting in the order of the Config struct.
func Keys() []Key { return keysOf(reflect.TypeFor[Config](), "", nil) }

func keysOf(t reflect.Type, prefix string, index []int) []Key {
	var keys []Key
	for i := range t.NumField() {
		f := t.Field(i)
		path := prefix + f.Tag.Get("yaml")
		at := append(slices.Clone(index), i)
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, keysOf(f.Type, path+".", at)...)
			continue
		}
		k := Key{
			Path:   path,
			Env:    envOf(path),
			Type:   typeName(f.Type),
			Doc:    f.Tag.Get("doc"),
			Secret: f.Tag.Get("secret") != "",
			index:  at,
		}
		if f.Tag.Get("flag") != "" {
			k.Flag = strings.NewReplacer(".", "-", "_", "-").Replace(path)
		}
		keys = append(keys, k)
	}
	return keys
}

const typeSize = "size"

func typeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[Bytes]():
		return typeSize
	case reflect.TypeFor[[]TailRule]():
		return tailRulesType
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Uint32:
		return "whole number"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "list"
	case reflect.Map:
		return "map"
	default:
		return "string"
	}
}

func (k Key) field(c *Config) reflect.Value { return reflect.ValueOf(c).Elem().FieldByIndex(k.index) }

func (k Key) setList(c *Config, items []string) error {
	if len(items) == 0 {
		items = nil // as where nobody sets any
	}
	k.field(c).Set(reflect.ValueOf(items))
	return nil
}

func (k Key) setMap(c *Config, pairs map[string]string) error {
	if k.field(c).Type() == reflect.TypeFor[map[string]string]() {
		if len(pairs) == 0 {
			pairs = nil // as where nobody sets any
		}
		k.field(c).Set(reflect.ValueOf(pairs))
		return nil
	}
	m := make(map[string]float64, len(pairs))
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		var v float64
		if err := setScalar(reflect.ValueOf(&v).Elem(), pairs[name]); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		m[name] = v
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	k.field(c).Set(reflect.ValueOf(m))
	return nil
}

func setScalar(f reflect.Value, text string) error {
	if u, ok := f.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	if f.Type() == reflect.TypeFor[time.Duration]() {
		d, err := ParseDuration(text)
		if err != nil {
			return err
		}
		f.SetInt(int64(d))
		return nil
	}
	switch f.Kind() {
	case reflect.String:
		f.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		f.SetBool(b)
	case reflect.Int:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		f.SetInt(n)
	case reflect.Uint32:
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return fmt.Errorf("%q is not a whole number from 0 to 4294967295", text)
		}
		f.SetUint(n)
	case reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("%q is not a number", text)
		}
		f.SetFloat(x)
	default:
		return fmt.Errorf("no way to read a %s", f.Type())
	}
	return nil
}

// ErrTooLong means that a duration is beyond what one can be, some 292 years.
var ErrTooLong = errors.New("is too long")

// ParseDuration reads what time.ParseDuration does, and whole days and weeks: 90d, 2w.
func ParseDuration(text string) (time.Duration, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	for suffix, unit := range map[string]time.Duration{"h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		number, ok := strings.CutSuffix(text, suffix)
		n, err := strconv.ParseInt(number, 10, 64)
		most := int64(math.MaxInt64 / unit)
		switch {
		case !ok:
		case errors.Is(err, strconv.ErrRange) || err == nil && (n > most || n < -most):
			return 0, fmt.Errorf("%q %w; the greatest is %d%s", text, ErrTooLong, most, suffix)
		case err == nil:
			return time.Duration(n) * unit, nil
		}
	}
	return 0, fmt.Errorf("%q is not a duration; write it like 90s, 24h or 30d", text)
}
