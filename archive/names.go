package archive

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"appliance/internal/block"
)

// The layout of a store is Tempo's own, with one file more a block:
//
//	<tenant>/<block>/{data.parquet,bloom-N,index,...}  byte for byte as in the source
//	<tenant>/<block>/meta.json                         last but one: a Tempo sees no block before it
//	<tenant>/<block>/manifest.json                     last: the block is archived
//	@catalog                                           a copy of what the manifests say; see catalog.go
//	@pin.<block>.<tenant>, @prune.<block>.<tenant>     see marks.go
//	@store.json                                        which store it is; see identity.go
//	@probe-<hash>                                      shows whether a source is the store itself; see apart.go
//	@archiver-<hash>.json                              what an archiver remembers; see memory.go
//	@archiver-terms.json                               which replica archived when; see terms.go
//
// Only tenants are directories at the root, since a Tempo takes each for one.
// What is ours there begins with a character that no tenant can have; so do the
// staging files of a directory store.
const (
	ownPrefix = "@"

	ManifestName = "manifest.json"
	MetaName     = block.MetaName

	compactedMetaName = block.CompactedMetaName
	dataName          = block.DataName

	// lineageName is a file that the appliance's block store keeps beside a
	// block's own. It says which records of which spool are in the block, which
	// means nothing without that spool, so it is not archived: a copy has the
	// files that any Tempo's has, and a restored block is taken for one that
	// came from elsewhere.
	lineageName = "lineage.json"
)

// The names that a block's own files may not have.
func reservedName(file string) bool {
	return file == ManifestName || file == compactedMetaName
}

// ObjectName is the name of a block's file in a store.
func ObjectName(tenant, block, file string) string { return tenant + "/" + block + "/" + file }

// CheckTenant returns an error unless a tenant's name is one that Tempo accepts
// (dskit's tenant.ValidTenantID), which makes it safe as the name of a
// directory.
func CheckTenant(tenant string) error {
	if tenant == "" || tenant == "." || tenant == ".." || len(tenant) > 150 || strings.ContainsFunc(tenant, notInTenant) {
		return fmt.Errorf("tenant %.160q is not a name of 1 to 150 characters that Tempo accepts", tenant)
	}
	return nil
}

func notInTenant(r rune) bool {
	return !isAlphanumeric(r) && !strings.ContainsRune("!-_.*'()", r)
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// CheckBlock returns an error unless id is a UUID in its canonical form.
func CheckBlock(id string) error {
	if u, err := uuid.Parse(id); err != nil || u.String() != id {
		return fmt.Errorf("block %.50q is not a UUID in lower case", id)
	}
	return nil
}

// CheckFile returns an error unless name can be that of a file inside a block's
// directory, and nothing else.
func CheckFile(name string) error {
	if name == "" || len(name) > 200 || name[0] == '.' || strings.ContainsFunc(name, notInFile) {
		return fmt.Errorf("file %.210q of a block is not a name of letters, digits, dots and dashes", name)
	}
	return nil
}

func notInFile(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("-_.", r) }
