package serve

import (
	"time"

	"appliance/archive"
	"appliance/internal/telemetry"
)

// archiveMetrics are those of the archiver, while it works.
func (a *appliance) archiveMetrics() []telemetry.Metric {
	type emit = func(value float64, labels ...string)
	metric := func(name, help string, labels []string, read func(archive.Status, emit)) telemetry.Metric {
		return telemetry.Metric{Name: name, Help: help, Labels: labels, Read: func(e func(float64, ...string)) {
			if archiver := a.archive.archiver.Load(); archiver != nil && a.archive.idle.Load() == nil {
				read(archiver.Status(), e)
			}
		}}
	}
	number := func(name, help string, read func(archive.Status) float64) telemetry.Metric {
		return metric(name, help, nil, func(s archive.Status, e emit) { e(read(s)) })
	}
	purge := func(name, help string, read func(*archive.PurgeStatus) float64) telemetry.Metric {
		return metric(name, help, nil, func(s archive.Status, e emit) {
			if s.Purge != nil {
				e(read(s.Purge))
			}
		})
	}
	return []telemetry.Metric{
		{
			Name: "appliance_archive_running", Help: "1 while this replica archives; 0 while it does not, for the reason that status gives (not_running). Absent where nothing is to be archived.",
			Read: func(e func(float64, ...string)) {
				switch s := a.archiveStatus(); {
				case s == nil:
				case s.NotRunning != "":
					e(0)
				default:
					e(1)
				}
			},
		},
		metric("appliance_archive_purge_headroom_seconds", "Time until a Tempo elsewhere may delete something that is not archived, or until it is older than retention in the store of this process, where nothing is lost then: it is held back. Absent until the source was listed.", nil,
			func(s archive.Status, e emit) {
				if s.HeadroomSeconds != nil {
					e(*s.HeadroomSeconds)
				}
			}),
		number("appliance_archive_lag_seconds", "How long the oldest block that is not archived yet has been known.", func(s archive.Status) float64 { return s.LagSeconds }),
		metric("appliance_archive_last_success_timestamp_seconds", "When everything in the source was archived.", nil, func(s archive.Status, e emit) {
			if !s.LastSuccess.IsZero() {
				e(float64(s.LastSuccess.UnixNano()) / float64(time.Second))
			}
		}),
		number("appliance_archive_source_blocks", "Blocks in the source: those of this process that are merged, or those of a Tempo elsewhere.", func(s archive.Status) float64 { return float64(s.SourceBlocks) }),
		number("appliance_archive_pending_blocks", "Blocks in the source that are not archived yet.", func(s archive.Status) float64 { return float64(s.PendingBlocks) }),
		number("appliance_archive_pending_bytes", "Bytes of the blocks that are not archived yet.", func(s archive.Status) float64 { return float64(s.PendingBytes) }),
		number("appliance_archive_covered_blocks", "Blocks that were not copied since their spans are in other archived blocks.", func(s archive.Status) float64 { return float64(s.CoveredBlocks) }),
		number("appliance_archive_blocks_total", "Blocks archived.", func(s archive.Status) float64 { return float64(s.ArchivedBlocks) }),
		number("appliance_archive_bytes_total", "Bytes archived.", func(s archive.Status) float64 { return float64(s.ArchivedBytes) }),
		number("appliance_archive_store_bytes", "Bytes of all archived blocks in the store, also of other archivers, as they were counted last.", func(s archive.Status) float64 { return float64(s.StoreBytes) }),
		metric("appliance_archive_max_bytes", "archive.max_bytes. Absent where there is no limit.", nil, func(s archive.Status, e emit) {
			if s.MaxBytes > 0 {
				e(float64(s.MaxBytes))
			}
		}),
		metric("appliance_archive_held_up", "1 while nothing is archived or purged for a reason that somebody has to do something about; status says more.", []string{"reason"}, func(s archive.Status, e emit) {
			for _, h := range archive.Holds() {
				held := 0.0
				if _, is := s.Holds[h]; is {
					held = 1
				}
				e(held, string(h))
			}
		}),
		number("appliance_archive_conflicts_total", "Blocks kept under another id, since theirs was taken by other bytes.", func(s archive.Status) float64 { return float64(s.Conflicts) }),
		number("appliance_archive_gaps", "Blocks and times that were missed, over all runs.", func(s archive.Status) float64 { return float64(len(s.Gaps)) }),
		metric("appliance_archive_failures_total", "Failures, by cause.", []string{"cause"}, func(s archive.Status, e emit) {
			for _, cause := range archive.Causes() {
				e(float64(s.Failures[cause]), cause)
			}
		}),
		purge("appliance_archive_purge_in_doubt", "1 while nothing is purged, for a reason that status gives.", func(p *archive.PurgeStatus) float64 {
			if p.Doubt != "" {
				return 1
			}
			return 0
		}),
		purge("appliance_archive_held_blocks", "Blocks older than retention that are not purged, since they are not archived and proven or there is doubt.", func(p *archive.PurgeStatus) float64 { return float64(p.HeldBlocks) }),
		purge("appliance_archive_held_bytes", "Bytes of the blocks that are held.", func(p *archive.PurgeStatus) float64 { return float64(p.HeldBytes) }),
		purge("appliance_archive_purged_blocks_total", "Blocks purged from this disk.", func(p *archive.PurgeStatus) float64 { return float64(p.PurgedBlocks) }),
	}
}
