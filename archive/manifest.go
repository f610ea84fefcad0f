package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"appliance/archive/store"
)

// ManifestVersion is the version of the format that this package writes, and the only one it reads.
const ManifestVersion = 1

// maxManifestBytes is far above what 10,000 files of one block take.
const maxManifestBytes = 4 << 20

// A Manifest says that a block is archived, and what its files must be. It is
// written once and never changed.
type Manifest struct {
	Version         int       `json:"version"`
	Tenant          string    `json:"tenant"`
	Block           string    `json:"block"`
	Encoding        string    `json:"encoding"` // of the data, as meta.json's "format" names it
	Files           []File    `json:"files"`    // meta.json among them, sorted by name
	Start           time.Time `json:"start"`    // of the spans, as meta.json says
	End             time.Time `json:"end"`
	Traces          int64     `json:"traces"`
	Spans           int64     `json:"spans"` // 0 where SpanDigest is empty
	Bytes           int64     `json:"bytes"` // of all files together
	CompactionLevel int       `json:"compaction_level"`
	Origin          string    `json:"origin"` // the storage it was copied from
	ArchivedAt      time.Time `json:"archived_at"`
	ArchivedBy      string    `json:"archived_by"`
	// SpanDigest is the version of the tokens, a colon, and the sum of the spans'
	// tokens (block.Token, seed 0) modulo 2^64 in hexadecimal. Equal sets of
	// spans have equal digests of one version, whatever their order. One without
	// a colon is of version 1. Empty where the encoding's columns are not known.
	SpanDigest string `json:"span_digest,omitempty"`
	// Derived is set where another block was archived under the source's id before.
	Derived *Derived `json:"derived,omitempty"`
	// Checksum is the SHA-256 of the manifest's encoding with an empty Checksum.
	Checksum string `json:"checksum"`
}

// File is one file of a block.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // 64 hexadecimal digits
}

// Derived says what a block was in its source, when it could not keep its id.
type Derived struct {
	Block      string `json:"block"`       // its id there
	MetaSHA256 string `json:"meta_sha256"` // of its meta.json there
}

// File returns the entry of a file; ok is false when there is none.
func (m *Manifest) File(name string) (f File, ok bool) {
	i, ok := slices.BinarySearchFunc(m.Files, name, func(f File, name string) int { return strings.Compare(f.Name, name) })
	if !ok {
		return File{}, false
	}
	return m.Files[i], true
}

// SourceBlock is the id that the block has in its source, and SourceMeta the
// SHA-256 of its meta.json there.
func (m *Manifest) SourceBlock() string {
	if m.Derived != nil {
		return m.Derived.Block
	}
	return m.Block
}

// SourceMeta is the SHA-256 of the meta.json that the block has in its source.
func (m *Manifest) SourceMeta() string {
	if m.Derived != nil {
		return m.Derived.MetaSHA256
	}
	f, _ := m.File(MetaName)
	return f.SHA256
}

// EncodeManifest returns the one encoding of m, and an error where m is not
// valid. It sorts m.Files and sets Version, Bytes and Checksum.
func EncodeManifest(m *Manifest) ([]byte, error) {
	slices.SortFunc(m.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	m.Version, m.Bytes, m.Checksum = ManifestVersion, 0, ""
	for _, f := range m.Files {
		m.Bytes += f.Size
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	text, err := encode(m)
	if err != nil {
		return nil, err
	}
	m.Checksum = hexSum(sha256.Sum256(text))
	return encode(m)
}

func encode(m *Manifest) ([]byte, error) {
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode the manifest of block %s: %w", m.Block, err)
	}
	return append(text, '\n'), nil
}

// DecodeManifest reads what EncodeManifest wrote for a block, and nothing else:
// one changed bit is an error, and so is the manifest of another block.
func DecodeManifest(text []byte, tenant, block string) (*Manifest, error) {
	m := new(Manifest)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("parse a manifest of %d bytes: %w", len(text), err)
	}
	if m.Version != ManifestVersion {
		return nil, fmt.Errorf("manifest has version %d, and only %d is known", m.Version, ManifestVersion)
	}
	if m.Tenant != tenant || m.Block != block {
		return nil, fmt.Errorf("manifest is that of block %.50q of tenant %.160q", m.Block, m.Tenant)
	}
	again := *m
	again.Files = slices.Clone(m.Files)
	canonical, err := EncodeManifest(&again)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(text, canonical) {
		return nil, errors.New("manifest is not as it was written: its checksum is wrong")
	}
	return m, nil
}

func (m *Manifest) check() error {
	if err := errors.Join(CheckTenant(m.Tenant), CheckBlock(m.Block)); err != nil {
		return err
	}
	if CheckFile(m.Encoding) != nil { // the catalog separates fields by tabs
		return fmt.Errorf("manifest of block %s has the encoding %.50q", m.Block, m.Encoding)
	}
	if m.Derived != nil {
		if err := errors.Join(CheckBlock(m.Derived.Block), checkSum(m.Derived.MetaSHA256)); err != nil {
			return err
		}
	}
	for i, f := range m.Files {
		if err := errors.Join(CheckFile(f.Name), checkSum(f.SHA256)); err != nil {
			return err
		}
		if reservedName(f.Name) || f.Size < 0 || i > 0 && m.Files[i-1].Name == f.Name {
			return fmt.Errorf("manifest of block %s has a file %q of %d bytes, or has it twice", m.Block, f.Name, f.Size)
		}
	}
	if _, ok := m.File(MetaName); !ok {
		return fmt.Errorf("manifest of block %s names no %s", m.Block, MetaName)
	}
	return nil
}

func checkSum(s string) error {
	if b, err := hex.DecodeString(s); err != nil || len(b) != sha256.Size || hex.EncodeToString(b) != s {
		return fmt.Errorf("%.70q is not a SHA-256", s)
	}
	return nil
}

func hexSum(sum [sha256.Size]byte) string { return hex.EncodeToString(sum[:]) }

// badManifestError is that of a manifest which is there and is not what was written.
type badManifestError struct{ err error }

func (e *badManifestError) Error() string { return e.err.Error() }
func (e *badManifestError) Unwrap() error { return e.err }

func isBadManifest(err error) bool {
	var bad *badManifestError
	return errors.As(err, &bad)
}

// ReadManifest reads the manifest of a block. The error is store.ErrNotExist
// when the block is not archived.
func ReadManifest(ctx context.Context, s store.Store, tenant, block string) (*Manifest, error) {
	name := ObjectName(tenant, block, ManifestName)
	text, err := store.ReadFile(ctx, s, name, maxManifestBytes)
	if err != nil {
		return nil, err
	}
	m, err := DecodeManifest(text, tenant, block)
	if err != nil {
		return nil, &badManifestError{fmt.Errorf("read %s: %w", name, err)}
	}
	return m, nil
}
