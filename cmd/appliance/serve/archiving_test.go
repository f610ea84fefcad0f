package serve

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/config"
	"appliance/nomad"
)

// archivingElsewhere is an appliance that archives the storage of a Tempo elsewhere, at source.
func archivingElsewhere(t *testing.T, source string) *appliance {
	t.Helper()
	conf := config.Default()
	conf.DataDir = t.TempDir()
	conf.Archive.Source = "file://" + source
	conf.Forwarder.TempoURL = "http://tempo:4318"
	a := &appliance{conf: config.Loaded{Config: conf}, logger: slog.New(slog.DiscardHandler)}
	a.storage = &elsewhere{a: a}
	return a
}

const headroomName, runningName = "appliance_archive_purge_headroom_seconds", "appliance_archive_running"

// notArchiving fails unless status and metrics say that nothing is archived
// here, why, and nothing of headroom.
func notArchiving(t *testing.T, a *appliance, why string) {
	t.Helper()
	s := a.archiveStatus()
	if s == nil || !strings.Contains(s.NotRunning, why) || s.HeadroomSeconds != nil {
		t.Fatalf("status is %+v, want not_running %q", s, why)
	}
	got := samples(a.archiveMetrics())
	running, known := got[runningName]
	if _, headroom := got[headroomName]; !known || running != 0 || headroom {
		t.Errorf("metrics: %v", got)
	}
}

// TestArchiveStatusFollowsTheLock holds that what an archiver knew does not age
// after its term, while another replica archives.
func TestArchiveStatusFollowsTheLock(t *testing.T) {
	source := t.TempDir()
	if err := os.CopyFS(filepath.Join(source, "single-tenant"), os.DirFS("../../../archive/read/testdata/single-tenant")); err != nil {
		t.Fatal(err)
	}
	a := archivingElsewhere(t, source)
	a.nomad.leaser = nomad.NewLeaser(nomad.LeaserOptions{})
	synctest.Test(t, func(t *testing.T) {
		if err := a.openArchive(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer a.archive.store.Close()
		a.notArchiving()
		notArchiving(t, a, "another replica archives")
		for range 2 { // terms, far apart
			term, end := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- a.archiving(term) }()
			wait(time.Minute)
			s := a.archiveStatus()
			if s == nil || s.NotRunning != "" || s.PendingBlocks != 0 || s.SourceBlocks == 0 || len(s.Gaps) != 0 || s.HeadroomSeconds == nil || *s.HeadroomSeconds < 50*60 {
				t.Fatalf("in a term: %+v", s)
			}
			if got := samples(a.archiveMetrics()); got[runningName] != 1 || got[headroomName] != *s.HeadroomSeconds {
				t.Errorf("in a term: %v", got)
			}
			end()
			if err := <-done; err != nil {
				t.Error(err)
			}
			wait(20 * time.Minute)
			notArchiving(t, a, "another replica archives")
		}
	})
}

// TestArchiveStatusOfASourceNeverReached holds that headroom is not known then,
// and that it is when the source comes.
func TestArchiveStatusOfASourceNeverReached(t *testing.T) {
	source := filepath.Join(t.TempDir(), "later")
	a := archivingElsewhere(t, source)
	synctest.Test(t, func(t *testing.T) {
		if err := a.openArchive(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer a.archive.store.Close()
		a.notArchiving()
		notArchiving(t, a, sourceUnopened)
		term, end := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.archiving(term) }()
		wait(3 * time.Hour)
		notArchiving(t, a, "no such file or directory")
		if err := os.Mkdir(source, 0o755); err != nil {
			t.Fatal(err)
		}
		wait(time.Minute)
		if got := samples(a.archiveMetrics()); got[runningName] != 1 || got[headroomName] < 50*60 {
			t.Errorf("reached: %v, %+v", got, a.archiveStatus())
		}
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestNothingToArchive holds that a collector alone is not shown as one whose
// archiver does not run.
func TestNothingToArchive(t *testing.T) {
	a := archivingElsewhere(t, "")
	a.conf.Archive.Source = ""
	if err := a.openArchive(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := samples(a.archiveMetrics()); a.archiveStatus() != nil || len(got) != 0 {
		t.Errorf("%+v, %v", a.archiveStatus(), got)
	}
}

// wait lets the fake time pass.
func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
