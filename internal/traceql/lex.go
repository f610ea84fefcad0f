package traceql

func bareKey(string, Scope) bool { return true }
