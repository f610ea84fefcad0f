package store

import (
	"fmt"
	"io/fs"
	"strings"
)

// stagingPrefix begins the names of files that are not whole yet. They are files
// at the root of a directory store: Tempo takes directories there for tenants,
// and a meta.json two levels down for a block, but looks at no file at the root.
// No tenant can be called so.
const stagingPrefix = "@staging-"

// maxName is what S3 allows for a key, in bytes; prefixes are counted in.
const maxName = 1024

// checkName refuses what some store could not keep or would keep elsewhere.
func checkName(name string) error {
	if name == "." {
		return fmt.Errorf("object name %q: that is the root of the store", name)
	}
	return checkDir(name)
}

func checkDir(name string) error {
	if !fs.ValidPath(name) {
		return fmt.Errorf("object name %q: is not a clean relative path", name)
	}
	if len(name) > maxName {
		return fmt.Errorf("object name %q...: %d bytes, more than the limit of %d", name[:32], len(name), maxName)
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, stagingPrefix) {
			return fmt.Errorf("object name %q: no part may begin with %s", name, stagingPrefix)
		}
		if len(part) > 255 {
			return fmt.Errorf("object name %q: a part of %d bytes, more than the limit of 255", name, len(part))
		}
	}
	for _, r := range name {
		if r < ' ' || r > '~' || r == '\\' {
			return fmt.Errorf("object name %q: %q is not allowed", name, r)
		}
	}
	return nil
}
