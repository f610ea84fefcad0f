package block

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Names of a block's files. The blooms are bloom-0, bloom-1, ...
const (
	MetaName          = "meta.json"
	CompactedMetaName = "meta.compacted.json"
	DataName          = "data.parquet"
	IndexName         = "index"
)

// ErrFormat says that a block's format is none of those whose columns this
// package knows. Such a block can be kept, and compared by its files' hashes.
// It cannot be searched.
var ErrFormat = errors.New("unknown block format")

// Meta is meta.json. It is written last of a block, and makes it visible.
type Meta struct {
	Format            string            `json:"format"` // of the data, such as vParquet4
	BlockID           string            `json:"blockID"`
	TenantID          string            `json:"tenantID"`
	StartTime         time.Time         `json:"startTime"`
	EndTime           time.Time         `json:"endTime"`
	TotalObjects      int64             `json:"totalObjects"` // traces
	Size              int64             `json:"size"`         // of data.parquet, bytes
	CompactionLevel   int               `json:"compactionLevel"`
	Encoding          string            `json:"encoding"` // always "none"
	IndexPageSize     int               `json:"indexPageSize"`
	TotalRecords      int               `json:"totalRecords"` // row groups
	DataEncoding      string            `json:"dataEncoding"`
	BloomShards       int               `json:"bloomShards"`
	FooterSize        int64             `json:"footerSize"` // of data.parquet's metadata, bytes
	DedicatedColumns  []DedicatedColumn `json:"dedicatedColumns,omitempty"`
	ReplicationFactor int               `json:"replicationFactor,omitempty"`
}

// DedicatedColumn says that an attribute has a column of its own. The n-th of a
// scope has the n-th of the scope's columns.
type DedicatedColumn struct {
	Scope string // "resource" or "span"
	Name  string // the attribute's key
	Type  string // "string"
}

// Tempo leaves out what is usual, and shortens the names.
type dedicatedJSON struct {
	Scope string `json:"s,omitempty"`
	Name  string `json:"n"`
	Type  string `json:"t,omitempty"`
}

const (
	usualScope = "span"
	usualType  = "string"
)

// MarshalJSON writes it as Tempo does.
func (c DedicatedColumn) MarshalJSON() ([]byte, error) {
	short := dedicatedJSON{Name: c.Name}
	if c.Scope != usualScope {
		short.Scope = c.Scope
	}
	if c.Type != usualType {
		short.Type = c.Type
	}
	return json.Marshal(short)
}

// UnmarshalJSON reads what Tempo writes.
func (c *DedicatedColumn) UnmarshalJSON(text []byte) error {
	short := dedicatedJSON{Scope: usualScope, Type: usualType}
	if err := json.Unmarshal(text, &short); err != nil {
		return err
	}
	*c = DedicatedColumn(short)
	return nil
}

// ParseMeta reads a meta.json. One that is cut short, or is not of a block, is an
// error.
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

// dedicated returns the keys of an owner's dedicated columns, in their order.
func (m *Meta) dedicated(o Owner) []string {
	scope := map[Owner]string{OfResource: "resource", OfSpan: "span"}[o]
	var keys []string
	for _, c := range m.DedicatedColumns {
		if c.Scope == scope && scope != "" {
			keys = append(keys, c.Name)
		}
	}
	return keys
}
