package block

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
)

func appendInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }

func appendBase64(dst, b []byte) []byte { return base64.StdEncoding.AppendEncode(dst, b) }

// appendJSONDouble appends a number, or the words that protobuf has for those
// that JSON cannot say.
func appendJSONDouble(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(dst, `"-Infinity"`...)
	}
	text, _ := json.Marshal(v) // fails for none but these
	return append(dst, text...)
}

// appendJSONString appends a string of JSON. Bytes that are not UTF-8 become
// the replacement character; the receiver lets none pass.
func appendJSONString(dst, s []byte) []byte {
	text, _ := json.Marshal(string(s)) // never fails
	return append(dst, text...)
}
