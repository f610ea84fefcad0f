package pages

import (
	"strings"
	"testing"
)

func TestUndecidedIsMarked(t *testing.T) {
	may := true
	w := newWorld(t, func(o *Options) { o.Undecided = func() bool { return may } })
	waits := aSpan{trace: 1, id: 1, service: "a", name: "root", to: ms, undecided: true}
	child := aSpan{trace: 2, id: 2, parent: 1, service: "b", name: "child", to: ms, undecided: true}
	w.keep(began(), waits, child,
		aSpan{trace: 2, id: 1, service: "a", name: "root", to: ms},
		aSpan{trace: 3, id: 1, service: "a", name: "root", to: ms})
	says(t, w.page(200, "/trace/1"), "Tail rules have not decided on it yet, and may leave it out.")
	says(t, w.page(200, "/trace/2"), "Tail rules have not decided on 1 span of it yet, and may leave them out.")
	if strings.Contains(w.page(200, "/trace/3"), "Tail rules") {
		t.Error("a trace that was decided is marked")
	}
	says(t, w.page(200, "/trace/3?with=1"), "Tail rules have not decided on it yet")
	const mark = "not decided by tail rules yet"
	for query, want := range map[string]int{
		"/?name=root":              1, // of trace 2 a span is found that was decided
		"/?service=b":              1,
		"/?q=%7Bname%3D%22x%22%7D": 0,
		"/?q=%7Bname=%22child%22%7D%7Cselect(name)":                              1,
		"/?q=%7Bduration%3D1ms%26%26name!=%22root%22%7Dwith(most_recent%3Dtrue)": 1,
	} {
		if n := strings.Count(w.page(200, query), mark); n != want {
			t.Errorf("%s: %d traces are marked, want %d", query, n, want)
		}
	}
	may = false
	if strings.Contains(w.page(200, "/?service=b"), mark) {
		t.Error("the mark is asked for where there is nothing undecided")
	}
}
