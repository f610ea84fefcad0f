// Command house measures the code: how long files and functions are, how deep
// they nest, how much they export, and what has no place in them. It prints a
// table, and fails where a number is above its bound.
//
//	go run ./.ci/house [-places]
//
// The bounds are what the project measured of itself in November 2026, beside
// refinery, litestream and restic: it was ahead of them in each. Product code is
// what the binary is built from. With -places each row names what it counts.
package main

import (
	"flag"
	"fmt"
	"os"
	"text/tabwriter"
)

func main() {
	places := flag.Bool("places", false, "name what each row counts")
	flag.Parse()
	rows, err := measure()
	if err != nil {
		fmt.Fprintln(os.Stderr, "house:", err)
		os.Exit(1)
	}
	if !show(rows, *places) {
		fmt.Fprintln(os.Stderr, "house: a number is above its bound")
		os.Exit(1)
	}
}

// row is one number of the table.
type row struct {
	what    string
	value   float64
	unit    string
	bound   float64 // as it is printed, or none
	bounded bool
	places  []string // what is counted
}

func (r row) most(bound float64) row {
	r.bound, r.bounded = bound, true
	return r
}

// number writes 1,000 as 1000, and what is not whole with one digit more.
func (r row) number(v float64) string {
	if v == float64(int(v)) {
		return fmt.Sprintf("%d%s", int(v), r.unit)
	}
	return fmt.Sprintf("%.1f%s", v, r.unit)
}

// show prints the table, and says whether every number is within its bound.
func show(rows []row, places bool) bool {
	fine := true
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "here\tat most\t \t")
	for _, r := range rows {
		bound := ""
		if r.bounded {
			bound = r.number(r.bound)
		}
		within := !r.bounded || r.value <= r.bound
		fine = fine && within
		fmt.Fprintf(w, "%s\t%s\t \t%s\n", r.number(r.value), bound, r.what)
	}
	_ = w.Flush() // to a person
	for _, r := range rows {
		if places || r.bounded && r.value > r.bound {
			for _, at := range r.places {
				fmt.Printf("%s: %s\n", r.what, at)
			}
		}
	}
	return fine
}
