package otlpwire

// jsonMessage is one of the messages of an OTLP/JSON request.
type jsonMessage uint8

const (
	requestJSON jsonMessage = iota
	resourceSpansJSON
	resourceJSON
	entityRefJSON
	scopeSpansJSON
	scopeJSON
	spanJSON
	eventJSON
	linkJSON
	statusJSON
	keyValueJSON
	anyValueJSON
	arrayJSON
	listJSON
)

// jsonKind is how a field is written in JSON and in protobuf.
type jsonKind uint8

const (
	messageKind  jsonKind = iota // object
	repeatedKind                 // array of objects
	textKind                     // string
	textsKind                    // array of strings
	traceIDKind                  // string of 32 hexadecimal digits
	spanIDKind                   // string of 16 hexadecimal digits
	bytesKind                    // string of base64
	boolKind                     // true or false
	int64Kind                    // integer, also as a string; varint
	uint32Kind                   // likewise
	enumKind                     // integer, never a string; varint
	fixed64Kind                  // integer, also as a string; fixed64
	fixed32Kind                  // integer, also as a string; fixed32
	doubleKind                   // number, also as a string; fixed64
)

type jsonField struct {
	key     string
	number  uint32
	kind    jsonKind
	message jsonMessage
}

// lostJSON are keys that people take for others, with spans below them. To ignore
// them would be to answer 200 and keep nothing.
var lostJSON = map[jsonMessage]map[string]problem{
	requestJSON: {
		"resource_spans":   "key resource_spans, which is resourceSpans in OTLP's JSON,",
		"ResourceSpans":    "key ResourceSpans, which is resourceSpans in OTLP's JSON,",
		"scopeSpans":       "key scopeSpans, which is below resourceSpans in OTLP's JSON,",
		"spans":            "key spans, which is below resourceSpans and scopeSpans in OTLP's JSON,",
		"trace":            "key trace, which is Tempo's: send what is in it,",
		"data":             "key data, which is Jaeger's and resourceSpans in OTLP's JSON,",
		"batches":          "key batches, which is Tempo's and resourceSpans in OTLP's JSON,",
		"resourceMetrics":  "key resourceMetrics, although this is a request with traces,",
		"resource_metrics": "key resource_metrics, although this is a request with traces,",
		"resourceLogs":     "key resourceLogs, although this is a request with traces,",
		"resource_logs":    "key resource_logs, although this is a request with traces,",
	},
	resourceSpansJSON: {
		"ScopeSpans":                    "key ScopeSpans, which is scopeSpans in OTLP's JSON,",
		"spans":                         "key spans, which is below scopeSpans in OTLP's JSON,",
		"scope_spans":                   "key scope_spans, which is scopeSpans in OTLP's JSON,",
		"instrumentationLibrarySpans":   "key instrumentationLibrarySpans, which is scopeSpans since OTLP 0.15,",
		"instrumentation_library_spans": "key instrumentation_library_spans, which is scopeSpans since OTLP 0.15,",
	},
	scopeSpansJSON: {
		"Spans": "key Spans, which is spans in OTLP's JSON,",
	},
}

// jsonFields lists the fields of each message by their lowerCamelCase keys, the
// only ones that OTLP/JSON knows.
var jsonFields = [...][]jsonField{
	requestJSON: {
		{"resourceSpans", 1, repeatedKind, resourceSpansJSON},
	},
	resourceSpansJSON: {
		{"resource", 1, messageKind, resourceJSON},
		{"scopeSpans", 2, repeatedKind, scopeSpansJSON},
		{"schemaUrl", 3, textKind, 0},
	},
	resourceJSON: {
		{"attributes", 1, repeatedKind, keyValueJSON},
		{"droppedAttributesCount", 2, uint32Kind, 0},
		{"entityRefs", 3, repeatedKind, entityRefJSON},
	},
	entityRefJSON: {
		{"schemaUrl", 1, textKind, 0},
		{"type", 2, textKind, 0},
		{"idKeys", 3, textsKind, 0},
		{"descriptionKeys", 4, textsKind, 0},
	},
	scopeSpansJSON: {
		{"scope", 1, messageKind, scopeJSON},
		{"spans", 2, repeatedKind, spanJSON},
		{"schemaUrl", 3, textKind, 0},
	},
	scopeJSON: {
		{"name", 1, textKind, 0},
		{"version", 2, textKind, 0},
		{"attributes", 3, repeatedKind, keyValueJSON},
		{"droppedAttributesCount", 4, uint32Kind, 0},
	},
	spanJSON: {
		{"traceId", 1, traceIDKind, 0},
		{"spanId", 2, spanIDKind, 0},
		{"traceState", 3, textKind, 0},
		{"parentSpanId", 4, spanIDKind, 0},
		{"name", 5, textKind, 0},
		{"kind", 6, enumKind, 0},
		{"startTimeUnixNano", 7, fixed64Kind, 0},
		{"endTimeUnixNano", 8, fixed64Kind, 0},
		{"attributes", 9, repeatedKind, keyValueJSON},
		{"droppedAttributesCount", 10, uint32Kind, 0},
		{"events", 11, repeatedKind, eventJSON},
		{"droppedEventsCount", 12, uint32Kind, 0},
		{"links", 13, repeatedKind, linkJSON},
		{"droppedLinksCount", 14, uint32Kind, 0},
		{"status", 15, messageKind, statusJSON},
		{"flags", 16, fixed32Kind, 0},
	},
	eventJSON: {
		{"timeUnixNano", 1, fixed64Kind, 0},
		{"name", 2, textKind, 0},
		{"attributes", 3, repeatedKind, keyValueJSON},
		{"droppedAttributesCount", 4, uint32Kind, 0},
	},
	linkJSON: {
		{"traceId", 1, traceIDKind, 0},
		{"spanId", 2, spanIDKind, 0},
		{"traceState", 3, textKind, 0},
		{"attributes", 4, repeatedKind, keyValueJSON},
		{"droppedAttributesCount", 5, uint32Kind, 0},
		{"flags", 6, fixed32Kind, 0},
	},
	statusJSON: {
		{"message", 2, textKind, 0},
		{"code", 3, enumKind, 0},
	},
	keyValueJSON: {
		{"key", 1, textKind, 0},
		{"value", 2, messageKind, anyValueJSON},
	},
	anyValueJSON: {
		{"stringValue", 1, textKind, 0},
		{"boolValue", 2, boolKind, 0},
		{"intValue", 3, int64Kind, 0},
		{"doubleValue", 4, doubleKind, 0},
		{"arrayValue", 5, messageKind, arrayJSON},
		{"kvlistValue", 6, messageKind, listJSON},
		{"bytesValue", 7, bytesKind, 0},
	},
	arrayJSON: {
		{"values", 1, repeatedKind, anyValueJSON},
	},
	listJSON: {
		{"values", 1, repeatedKind, keyValueJSON},
	},
}
