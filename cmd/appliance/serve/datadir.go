package serve

import (
	"net/url"
	"path/filepath"

	"appliance/internal/config"
)

// BlocksDir is where the store has its blocks.
func BlocksDir(conf config.Loaded) string { return absolute(filepath.Join(conf.DataDir, "blocks")) }

// TempoDir is where versions with an embedded Tempo had its files.
func TempoDir(conf config.Loaded) string { return absolute(filepath.Join(conf.DataDir, "tempo")) }

// TailDir is where the verdicts of tail sampling are.
func TailDir(conf config.Loaded) string { return filepath.Join(conf.DataDir, "tail") }

// LedgerFile has the account of every span over all runs.
func LedgerFile(dataDir string) string { return filepath.Join(dataDir, "ledger.json") }

// AcknowledgedFile says which loss was acknowledged. The command writes it, also
// beside a running appliance, which reads it every second.
func AcknowledgedFile(dataDir string) string { return filepath.Join(dataDir, "acknowledged-loss.json") }

// StoreFile remembers which store the archive was in.
func StoreFile(dataDir string) string { return filepath.Join(dataDir, "archive-store.json") }

// ArchiveStore is where the archive is: what is configured, or else a directory
// of data_dir.
func ArchiveStore(dataDir, configured string) string {
	if configured != "" {
		return configured
	}
	return (&url.URL{Scheme: "file", Path: absolute(filepath.Join(dataDir, "archive"))}).String()
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
