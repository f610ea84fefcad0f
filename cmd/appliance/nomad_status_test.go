package main

import (
	"strings"
	"testing"
	"time"

	"appliance/nomad"
)

func TestNomadStatusTable(t *testing.T) {
	s := &nomad.Status{
		Job: "traces", Namespace: "default", Status: "running", Ours: true, Tempo: nomad.TempoElsewhere, TempoURL: "http://tempo:4318", Version: 2,
		Allocations: []nomad.AllocationStatus{{ID: "0af76519-16cd-43dd-8448-eb211c80319c", Group: "appliance", Node: "n1", Version: 2, Status: "running",
			Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Checks: []nomad.CheckStatus{{Service: "tempo-read", Name: "ready", Status: "success"}}}},
		Services: []nomad.ServiceStatus{{Name: "tempo", Addresses: []string{"10.0.0.1:3200"}}},
	}
	for wide, want := range map[bool]string{
		false: `job         traces (namespace default), running, version 2
deployment  
traces      in a Tempo elsewhere, http://tempo:4318

ALLOCATION  GROUP      NODE  VERSION  STATUS   HEALTHY  RESTARTS
0af76519    appliance  n1    2        running  unknown  0

CHECK  ALLOCATION  SERVICE     STATUS   
ready  0af76519    tempo-read  success  

SERVICE  ADDRESSES
tempo    10.0.0.1:3200

VERSION  STABLE  SUBMITTED
`,
		true: `
ALLOCATION                            GROUP      NODE  VERSION  STATUS   HEALTHY  RESTARTS  SINCE
0af76519-16cd-43dd-8448-eb211c80319c  appliance  n1    2        running  unknown  0         2026-01-02 03:04:05 UTC
`,
	} {
		var b strings.Builder
		if err := writeNomadStatus(&b, s, wide); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); !strings.Contains(got, want) || !wide && got != want {
			t.Errorf("wide %t:\n%s\nwant:\n%s", wide, got, want)
		}
	}
	for tempo, want := range map[string]string{
		nomad.TempoTask:     "in a Tempo as a group of its own, at 10.0.0.1:3200",
		nomad.TempoEmbedded: "stored by the appliance, at 10.0.0.1:3200",
	} {
		if s.Tempo = tempo; whereTracesAre(s) != want {
			t.Errorf("%s: %s", tempo, whereTracesAre(s))
		}
	}
}
