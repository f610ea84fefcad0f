package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"unicode/utf8"
)

const (
	longSubject = 72
	// since is when subjects began to be held to that.
	since = "2026-11-29T06:00:00Z"
)

// longSubjects is the share of commits whose subject is too long.
func longSubjects() (row, error) {
	out, err := exec.Command("git", "log", "--since", since, "--format=%h %s").Output()
	if err != nil {
		return row{}, fmt.Errorf("read the history: %w", err)
	}
	r := row{what: fmt.Sprintf("subjects of commits over %d characters, since %.10s", longSubject, since), unit: " %"}
	all := 0
	for line := range strings.Lines(string(out)) {
		all++
		_, subject, _ := strings.Cut(strings.TrimSpace(line), " ")
		if utf8.RuneCountInString(subject) > longSubject {
			r.places = append(r.places, strings.TrimSpace(line))
		}
	}
	if all == 0 {
		return row{}, errors.New("there are no commits since " + since)
	}
	r.value = float64(len(r.places)) * 100 / float64(all)
	return r.most(1), nil
}
