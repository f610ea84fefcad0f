package traceql

func bareKey(string) bool { return true }
