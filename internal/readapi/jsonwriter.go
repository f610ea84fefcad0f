package readapi

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"
)

// jsonWriter appends JSON in the form of protobuf's mapping. Fields that have
// their default are left out, so each method takes the key.
type jsonWriter struct{ b []byte }

// key begins a field.
func (w *jsonWriter) key(name string) {
	if last := w.b[len(w.b)-1]; last != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *jsonWriter) open(c byte)  { w.b = append(w.b, c) }
func (w *jsonWriter) close(c byte) { w.b = append(w.b, c) }

func (w *jsonWriter) string(name, value string) {
	if value != "" {
		w.key(name)
		w.text(value)
	}
}

func (w *jsonWriter) bytes(name string, value []byte) {
	if len(value) > 0 {
		w.key(name)
		w.base64(value)
	}
}

func (w *jsonWriter) base64(value []byte) {
	w.b = append(w.b, '"')
	w.b = base64.StdEncoding.AppendEncode(w.b, value)
	w.b = append(w.b, '"')
}

func (w *jsonWriter) uint32(name string, value uint32) {
	if value != 0 {
		w.key(name)
		w.b = strconv.AppendUint(w.b, uint64(value), 10)
	}
}

// uint64 is quoted, since JavaScript's numbers have 53 bits.
func (w *jsonWriter) uint64(name string, value uint64) {
	if value != 0 {
		w.key(name)
		w.b = append(w.b, '"')
		w.b = strconv.AppendUint(w.b, value, 10)
		w.b = append(w.b, '"')
	}
}

// int64 is quoted for the same reason.
func (w *jsonWriter) int64(name string, value int64) {
	if value != 0 {
		w.key(name)
		w.b = append(w.b, '"')
		w.b = strconv.AppendInt(w.b, value, 10)
		w.b = append(w.b, '"')
	}
}

// enum writes the name of a value, or the number of one that has none.
func (w *jsonWriter) enum(name string, value int32, names map[int32]string) {
	if value == 0 {
		return
	}
	w.key(name)
	if word, ok := names[value]; ok {
		w.text(word)
	} else {
		w.b = strconv.AppendInt(w.b, int64(value), 10)
	}
}

func (w *jsonWriter) float(f float64) {
	switch {
	case math.IsNaN(f):
		w.text("NaN")
	case math.IsInf(f, 1):
		w.text("Infinity")
	case math.IsInf(f, -1):
		w.text("-Infinity")
	default:
		text, _ := json.Marshal(f) // of a number it never fails
		w.b = append(w.b, text...)
	}
}

// text writes a string. Most need no escape.
func (w *jsonWriter) text(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' ||
			c >= utf8.RuneSelf {
			escaped, _ := json.Marshal(s) // of a string it never fails
			w.b = append(w.b, escaped...)
			return
		}
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, s...)
	w.b = append(w.b, '"')
}

// array writes a list that is not empty.
func array[T any](w *jsonWriter, name string, items []T, write func(T)) {
	if len(items) == 0 {
		return
	}
	w.key(name)
	w.open('[')
	for i, item := range items {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.open('{')
		write(item)
		w.close('}')
	}
	w.close(']')
}
