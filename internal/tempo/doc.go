// Package tempo runs the embedded Grafana Tempo: the appliance's own binary, re-executed as `appliance tempo`.
//
// It promises that the child listens on loopback only, has all of its files below one directory, dies with its
// parent whatever kills that, is started again when it dies, and is stopped within a deadline.
// It links no code of Tempo; package tempoapp, which the child runs, does.
package tempo
