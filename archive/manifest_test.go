package archive

import (
	"strings"
	"testing"
)

// Names in manifests and directories cannot lead out of a block's directory.
func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"data.parquet": true, "bloom-12": true, "index": true, "nested/file": false, "..": false, ".": false, "": false, "../x": false,
		".hidden": false, "a b": false, "a\x00b": false, "a\\b": false, "ünï": false, strings.Repeat("x", 201): false,
	} {
		if (CheckFile(name) == nil) != ok {
			t.Errorf("file %q", name)
		}
	}
	for name, ok := range map[string]bool{
		"single-tenant": true, "a.b": true, "it's(*)!": true, ".team": true, "...": true, "catalog": true, ".catalog": true, ".staging-x": true,
		"a/b": false, "..": false, ".": false, "": false, catalogName: false, memoryName("x"): false, restoreMarker: false, "lost+found": false, "a|b": false, strings.Repeat("x", 151): false,
	} {
		if (CheckTenant(name) == nil) != ok {
			t.Errorf("tenant %q", name)
		}
	}
	for id, ok := range map[string]bool{
		blockA: true, strings.ToUpper(blockA): false, "{" + blockA + "}": false, strings.ReplaceAll(blockA, "-", ""): false, "": false, "../../../../../../../../../../../../x": false,
	} {
		if (CheckBlock(id) == nil) != ok {
			t.Errorf("block %q", id)
		}
	}
}

func TestManifestRefuses(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	good := func() *Manifest {
		return &Manifest{Tenant: tenant, Block: blockA, Encoding: "vParquet4", Files: []File{{dataName, 4, sum}, {MetaName, 3, sum}}}
	}
	if text, err := EncodeManifest(good()); err != nil {
		t.Fatal(err)
	} else if m, err := DecodeManifest(text, tenant, blockA); err != nil || m.Bytes != 7 {
		t.Fatalf("%+v, %v", m, err)
	}
	// Manifests of before the tokens had versions stay valid.
	old := good()
	old.Spans, old.SpanDigest = 300, "a3f6fad83e51ade4"
	if text, err := EncodeManifest(old); err != nil {
		t.Fatal(err)
	} else if m, err := DecodeManifest(text, tenant, blockA); err != nil || m.SpanDigest != old.SpanDigest || entryOf(m).digest != old.SpanDigest {
		t.Fatalf("%+v, %v", m, err)
	}
	for name, spoil := range map[string]func(m *Manifest){
		"a path":         func(m *Manifest) { m.Files[0].Name = "../x" },
		"a file twice":   func(m *Manifest) { m.Files[0].Name = MetaName },
		"no meta":        func(m *Manifest) { m.Files = m.Files[:1] },
		"itself":         func(m *Manifest) { m.Files[0].Name = ManifestName },
		"a short digest": func(m *Manifest) { m.Files[0].SHA256 = "ab" },
		"a big digest":   func(m *Manifest) { m.Files[0].SHA256 = strings.Repeat("AB", 32) },
		"a negative":     func(m *Manifest) { m.Files[0].Size = -1 },
		"no tenant":      func(m *Manifest) { m.Tenant = "" },
		"no block":       func(m *Manifest) { m.Block = "x" },
		"a derived path": func(m *Manifest) { m.Derived = &Derived{"../..", sum} },
		"an encoding":    func(m *Manifest) { m.Encoding = "a\tb" },
	} {
		m := good()
		spoil(m)
		if _, err := EncodeManifest(m); err == nil {
			t.Errorf("a manifest with %s was encoded", name)
		}
	}
}
