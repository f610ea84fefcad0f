package pages

import (
	"net/url"
	"strconv"
	"strings"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// question is what the form of the search asks.
type question struct {
	Service, Name, Min, Max, Status, Key, Value string
	// instead of all these, where it is not empty
	TraceQL string
	Limit   int
}

func questionOf(q url.Values) (question, error) {
	field := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	a := question{
		Service: field("service"), Name: field("name"), Min: field("min"), Max: field("max"),
		Status: field("status"), Key: field("key"), Value: field("value"), TraceQL: field("q"),
		Limit: readapi.DefaultLimit,
	}
	if text := field("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return a, badRequest("limit %.40q is not a number of traces", text)
		}
		a.Limit = min(n, maxFound)
	}
	return a, nil
}

// query is the question in TraceQL.
func (a question) query() (string, *traceql.Query, error) {
	text := a.TraceQL
	if text == "" {
		var err error
		if text, err = a.conditions(); err != nil {
			return "", nil, err
		}
	}
	q, err := traceql.Parse(text)
	if err != nil {
		return text, nil, badRequest("%s is not TraceQL: %v", visible(text), err)
	}
	return text, q, nil
}

// conditions makes a filter of the fields of the form.
func (a question) conditions() (string, error) {
	var all []string
	equals := func(field, value string) {
		if value != "" {
			all = append(all, field+" = "+strconv.Quote(value))
		}
	}
	equals("resource.service.name", a.Service)
	equals("name", a.Name)
	for _, bound := range []struct{ name, op, text string }{{"min", ">=", a.Min}, {"max", "<=", a.Max}} {
		if bound.text == "" {
			continue
		}
		d, err := traceql.ParseDuration(bound.text)
		if err != nil || d < 0 {
			return "", badRequest("%s duration %.40q is not a duration such as 100ms or 1.5s", bound.name, bound.text)
		}
		all = append(all, "duration "+bound.op+" "+strings.Replace(d.String(), "µ", "u", 1))
	}
	switch a.Status {
	case "":
	case "error", "ok", "unset":
		all = append(all, "status = "+a.Status)
	default:
		return "", badRequest("status %.40q is not error, ok or unset", a.Status)
	}
	if a.Key == "" && a.Value != "" {
		return "", badRequest("value %.40q has no attribute; name the one that has it", a.Value)
	}
	if a.Key != "" {
		condition, err := attributeCondition(a.Key, a.Value)
		if err != nil {
			return "", err
		}
		all = append(all, condition)
	}
	return "{ " + strings.Join(all, " && ") + " }", nil
}

// attributeCondition asks for an attribute with a value, or with any. What reads
// as a number or a truth value is looked for as such and as text: the one who
// asks does not see how it was sent.
func attributeCondition(key, value string) (string, error) {
	attribute, err := traceql.ParseTag(key)
	if err != nil {
		if attribute, err = traceql.ParseTag("." + key); err != nil {
			return "", badRequest("attribute %.40q is not a name such as span.http.route or service.name: %v", key, err)
		}
	}
	name := attribute.String()
	if value == "" {
		return name + " != nil", nil
	}
	var all []string
	for _, literal := range []string{strconv.Quote(value), value} {
		condition := name + " = " + literal
		if (literal != value || plainWord(value)) && parses("{ "+condition+" }") {
			all = append(all, condition)
		}
	}
	switch len(all) {
	case 0:
		return "", badRequest("attribute %.40q cannot have the value %.40q", key, value)
	case 1:
		return all[0], nil
	}
	return "(" + strings.Join(all, " || ") + ")", nil
}

// plainWord says whether a value can be a number, a truth value or a keyword,
// and no more of a query.
func plainWord(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-'
	}) < 0
}

func parses(query string) bool {
	_, err := traceql.Parse(query)
	return err == nil
}

// empty says that nothing is asked for but the newest traces.
func (a question) empty() bool { return a == question{Limit: a.Limit} }
