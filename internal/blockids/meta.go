package blockids

import (
	"encoding/json"
	"fmt"
	"time"
)

// Names of a block's files.
const (
	MetaName          = "meta.json"
	CompactedMetaName = "meta.compacted.json"
	DataName          = "data.parquet"
)

// Meta is what Tempo writes last of a block, its meta.json.
type Meta struct {
	Format          string    `json:"format"` // of the data, such as vParquet4
	BlockID         string    `json:"blockID"`
	TenantID        string    `json:"tenantID"`
	StartTime       time.Time `json:"startTime"`
	EndTime         time.Time `json:"endTime"`
	TotalObjects    int64     `json:"totalObjects"` // traces
	Size            int64     `json:"size"`         // of the data file, bytes
	CompactionLevel int       `json:"compactionLevel"`
	BloomShards     int       `json:"bloomShards"`
}

// ParseMeta reads a meta.json. One that is cut short, or is not of a block, is an error.
func ParseMeta(text []byte) (Meta, error) {
	var m Meta
	if err := json.Unmarshal(text, &m); err != nil {
		return Meta{}, fmt.Errorf("parse %d bytes of %s: %w", len(text), MetaName, err)
	}
	if m.BlockID == "" || m.TenantID == "" || m.Format == "" {
		return Meta{}, fmt.Errorf("%s of %d bytes names no block, tenant or format", MetaName, len(text))
	}
	return m, nil
}
