package receiver

import (
	"mime"
	"net/http"
	"strings"
)

// encoding is how a request writes its message; the answer uses the same.
type encoding uint8

const (
	unknownEncoding encoding = iota
	protobuf
	jsonText
)

const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

func encodingOf(h http.Header) encoding {
	values := h["Content-Type"]
	if len(values) != 1 {
		return unknownEncoding
	}
	switch values[0] {
	case protobufType:
		return protobuf
	case jsonType:
		return jsonText
	}
	// Parameters such as charset say nothing that matters here.
	mediaType, _, err := mime.ParseMediaType(values[0])
	if err != nil && err != mime.ErrInvalidMediaParameter {
		return unknownEncoding
	}
	switch mediaType {
	case protobufType:
		return protobuf
	case jsonType:
		return jsonText
	}
	return unknownEncoding
}

// compression is how a request's body is compressed.
type compression uint8

const (
	uncompressed compression = iota
	gzipped
	zstandard
	unsupportedCompression
)

// acceptedCompressions goes with a 415 (RFC 9110 section 15.5.16).
const acceptedCompressions = "gzip, zstd"

func compressionOf(h http.Header) compression { return compressionNamed(h["Content-Encoding"]) }

func compressionNamed(values []string) compression {
	if len(values) == 0 {
		return uncompressed
	}
	if len(values) > 1 {
		return unsupportedCompression
	}
	switch strings.ToLower(strings.TrimSpace(values[0])) {
	case "", "identity":
		return uncompressed
	case "gzip", "x-gzip":
		return gzipped
	case "zstd":
		return zstandard
	}
	return unsupportedCompression
}
