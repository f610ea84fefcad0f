package traceql

// wellKnown are the attributes that have a column of their own in a block. The
// column's type is that of the attribute: what does not fit is stored among the
// other attributes, where only a comparison with such a value looks.
var wellKnown = map[Field]Type{
	{Scope: ScopeResource, Name: "service.name"}:       TypeString,
	{Scope: ScopeResource, Name: "cluster"}:            TypeString,
	{Scope: ScopeResource, Name: "namespace"}:          TypeString,
	{Scope: ScopeResource, Name: "pod"}:                TypeString,
	{Scope: ScopeResource, Name: "container"}:          TypeString,
	{Scope: ScopeResource, Name: "k8s.cluster.name"}:   TypeString,
	{Scope: ScopeResource, Name: "k8s.namespace.name"}: TypeString,
	{Scope: ScopeResource, Name: "k8s.pod.name"}:       TypeString,
	{Scope: ScopeResource, Name: "k8s.container.name"}: TypeString,
	{Scope: ScopeSpan, Name: "http.method"}:            TypeString,
	{Scope: ScopeSpan, Name: "http.url"}:               TypeString,
	{Scope: ScopeSpan, Name: "http.status_code"}:       TypeInt,
}

// WellKnown is the type of an attribute that has a column of its own.
func WellKnown(f Field) (Type, bool) {
	t, ok := wellKnown[f]
	return t, ok
}
