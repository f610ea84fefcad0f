package serve

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"appliance/internal/durable"
)

const (
	instanceName  = "instance-id"
	instanceBytes = 1 << 10 // more than it takes
)

// instanceID is what a data directory is called for good, whatever the host or
// the container is called at the moment. It is made once. One that is damaged
// is replaced: all that hangs on it is what the archiver remembers of the last
// run.
func instanceID(fsys durable.FS, dataDir string) (string, error) {
	if id, ok := readInstanceID(fsys, dataDir); ok {
		return id, nil
	}
	id := uuid.NewString()
	if err := durable.WriteFile(fsys, filepath.Join(dataDir, instanceName), []byte(id+"\n"), 0o644); err != nil {
		return "", fmt.Errorf("write %s: %w; set data_dir to a directory that user %d may write", instanceName, err, os.Getuid())
	}
	return id, nil
}

func readInstanceID(fsys durable.FS, dataDir string) (id string, ok bool) {
	text, err := durable.ReadFile(fsys, filepath.Join(dataDir, instanceName), instanceBytes)
	id = strings.TrimSpace(string(text))
	return id, err == nil && len(id) == len(uuid.Nil.String()) && uuid.Validate(id) == nil
}

// EmbeddedOrigin names the appliance's own blocks in the archive. Without an
// instance there is no such name yet.
func EmbeddedOrigin(dataDir string) string {
	if id, ok := readInstanceID(durable.OS, dataDir); ok {
		return "appliance://" + id
	}
	return ""
}
