package block

import (
	"encoding/json"
	"fmt"
	"time"
)

// Names of a block's files. Those of its bloom filters are made by BloomName.
const (
	MetaName          = "meta.json"
	CompactedMetaName = "meta.compacted.json"
	DataName          = "data.parquet"
	IndexName         = "index"
)

// Meta is meta.json, which is written last of a block: it makes the block
// visible.
type Meta struct {
	Format            string            `json:"format"` // of the data, such as vParquet4
	BlockID           string            `json:"blockID"`
	TenantID          string            `json:"tenantID"`
	StartTime         time.Time         `json:"startTime"`    // of the earliest span, in whole seconds
	EndTime           time.Time         `json:"endTime"`      // of the latest span, in whole seconds
	TotalObjects      int64             `json:"totalObjects"` // traces
	Size              int64             `json:"size"`         // of the data file, bytes
	CompactionLevel   int               `json:"compactionLevel"`
	Encoding          string            `json:"encoding"` // always none
	IndexPageSize     int               `json:"indexPageSize"`
	TotalRecords      int               `json:"totalRecords"` // row groups, by which Tempo divides a search
	DataEncoding      string            `json:"dataEncoding"`
	BloomShards       int               `json:"bloomShards"`
	FooterSize        int64             `json:"footerSize"` // bytes, without the eight behind it
	DedicatedColumns  []DedicatedColumn `json:"dedicatedColumns,omitempty"`
	ReplicationFactor int               `json:"replicationFactor,omitempty"` // TraceQL metrics of Tempo read 1 alone, its search 0
}

// DedicatedColumn names an attribute that has a column of its own in this
// block. The n-th of a scope is in the n-th dedicated column of its type.
type DedicatedColumn struct {
	Scope string `json:"s"` // resource, span or event
	Name  string `json:"n"`
	Type  string `json:"t"`
}

// ParseMeta reads a meta.json. One that is cut short, or is not of a block, is
// an error.
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
