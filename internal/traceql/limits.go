package traceql

// MaxGroupBy is how many attributes the by() of a metrics query takes. It is
// Tempo's limit.
const MaxGroupBy = 5
