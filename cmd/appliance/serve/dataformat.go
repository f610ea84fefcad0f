package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"

	"appliance/internal/durable"
)

// dataFormat grows when an earlier version would misread or lose what this one
// writes below data_dir. Files that say their own version and are refused by it
// need no new one.
const (
	dataFormat      = 1
	dataFormatName  = "format"
	dataFormatBytes = 4 << 10 // more than it takes
)

// formatFile says which version has written a data directory. Of a later
// version only these two keys are relied upon.
type formatFile struct {
	Format  int    `json:"format"`
	Version string `json:"version"`
}

// markFormat refuses a data directory of a later format before anything in it is
// read or changed, and notes this version's in any other. Version 0.1 wrote no
// such file.
func markFormat(fsys durable.FS, dataDir, version string, logger *slog.Logger) error {
	path := filepath.Join(dataDir, dataFormatName)
	text, err := durable.ReadFile(fsys, path, dataFormatBytes)
	var found formatFile
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("read the format of data_dir: %w", err)
	default:
		if err := json.Unmarshal(text, &found); err != nil {
			logger.Warn("the note of data_dir's format is damaged; writing it again", "file", path, "err", err)
		}
	}
	if found.Format > dataFormat {
		return fmt.Errorf("data_dir %s was written by appliance %s in format %d, and this one, %s, knows format %d at most; "+
			"start version %s or a later one, or set another data_dir", dataDir, found.Version, found.Format, version, dataFormat, found.Version)
	}
	mine := formatFile{dataFormat, version}
	if found == mine {
		return nil
	}
	if text, err = json.Marshal(mine); err != nil {
		return err
	}
	if err := durable.WriteFile(fsys, path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("note the format of data_dir: %w", err)
	}
	return nil
}
