package block

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	own "appliance/internal/block/parquet"
)

// realBlock is a data.parquet that Tempo 2.7.2 wrote.
const realBlock = "testdata/tempo-2.7.2/level0/data.parquet"

func openParquet(t *testing.T, name string) *parquet.File {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestSchemaIsTempos compares the table with the footer of a real block, node
// by node.
func TestSchemaIsTempos(t *testing.T) {
	file := openParquet(t, realBlock)
	schema := newVParquet4()
	real := file.Metadata().Schema
	if len(real) != len(schema.Elements) {
		t.Fatalf("%d nodes, Tempo's block has %d", len(schema.Elements), len(real))
	}
	for i, want := range real {
		if got := schema.Elements[i]; got != element(want) {
			t.Errorf("node %d is\n%+v, Tempo's\n%+v", i, got, element(want))
		}
	}
}

func element(e format.SchemaElement) own.SchemaElement {
	out := own.SchemaElement{Name: e.Name, NumChildren: e.NumChildren.V, TypeLength: e.TypeLength.V, Converted: own.NoConvertedType}
	if t, ok := e.Type.Get(); ok {
		out.Leaf, out.Type = true, own.Type(t)
	}
	if r, ok := e.RepetitionType.Get(); ok {
		out.HasRepetition, out.Repetition = true, own.Repetition(r)
	}
	if c, ok := e.ConvertedType.Get(); ok {
		out.Converted = own.ConvertedType(c)
	}
	switch l := e.LogicalType.Value.(type) {
	case *format.StringType:
		out.Logical.Kind = own.LogicalString
	case *format.MapType:
		out.Logical.Kind = own.LogicalMap
	case *format.ListType:
		out.Logical.Kind = own.LogicalList
	case *format.IntType:
		out.Logical = own.LogicalType{Kind: own.LogicalInteger, BitWidth: l.BitWidth, Signed: l.IsSigned}
	}
	return out
}

// TestColumnsAreTempos compares paths, levels and the encodings of values.
func TestColumnsAreTempos(t *testing.T) {
	file := openParquet(t, realBlock)
	schema := newVParquet4()
	chunks := file.Metadata().RowGroups[0].Columns
	if len(chunks) != len(schema.Columns) {
		t.Fatalf("%d columns, Tempo's block has %d", len(schema.Columns), len(chunks))
	}
	for i, c := range schema.Columns {
		real := chunks[i].MetaData
		if !slices.Equal(c.Path, real.PathInSchema) {
			t.Fatalf("column %d is %v, Tempo's %v", i, c.Path, real.PathInSchema)
		}
		if !slices.Contains(real.Encoding, format.Encoding(c.Encoding)) {
			t.Errorf("column %s is encoded as %d, Tempo's as %v", c.Name, c.Encoding, real.Encoding)
		}
		leaf, ok := file.Schema().Lookup(c.Path...)
		if !ok || leaf.MaxRepetitionLevel != int(c.MaxRep) || leaf.MaxDefinitionLevel != int(c.MaxDef) {
			t.Errorf("column %s has levels %d %d, Tempo's %+v", c.Name, c.MaxRep, c.MaxDef, leaf)
		}
		if schema.Column(c.Role) != i {
			t.Errorf("the role of column %s is that of column %d too", c.Name, schema.Column(c.Role))
		}
		if strings.Contains(c.Name, "list") || strings.Contains(c.Name, "key_value") {
			t.Errorf("column %d is called %s", i, c.Name)
		}
	}
}
