package block

import (
	"slices"
	"strings"

	"appliance/internal/block/parquet"
)

// Schema is the layout of data.parquet in one format. It does not change.
type Schema struct {
	Format   string                  // as meta.json names it
	Elements []parquet.SchemaElement // of the footer, depth first
	Columns  []Column                // the leaves, in the order of the file
	byRole   map[Role]int
}

// Column is a leaf of a schema.
type Column struct {
	Path     []string
	Name     string // Path with dots, without what lists and maps add to it
	Type     parquet.Type
	Unsigned bool  // a number that is ordered without a sign
	MaxRep   uint8 // highest repetition level
	MaxDef   uint8 // highest definition level: a value is there
	Optional bool  // the leaf itself may be null: then the level is MaxDef-1
	Encoding parquet.Encoding
	Role     Role
}

// Column returns the place of the column with a role, or -1.
func (s *Schema) Column(r Role) int {
	if i, ok := s.byRole[r]; ok {
		return i
	}
	return -1
}

// leafType is a leaf's type in all the forms that the footer has.
type leafType struct {
	physical  parquet.Type
	length    int32 // bits; means nothing, but Tempo's writer has it
	converted parquet.ConvertedType
	logical   parquet.LogicalType
}

func integer(physical parquet.Type, width int8, signed bool, converted parquet.ConvertedType) leafType {
	logical := parquet.LogicalType{Kind: parquet.LogicalInteger, BitWidth: width, Signed: signed}
	return leafType{physical, int32(width), converted, logical}
}

func uint64Leaf() leafType { return integer(parquet.Int64, 64, false, parquet.ConvertedUint64) }
func uint32Leaf() leafType { return integer(parquet.Int32, 32, false, parquet.ConvertedUint32) }
func int64Leaf() leafType  { return integer(parquet.Int64, 64, true, parquet.ConvertedInt64) }
func int32Leaf() leafType  { return integer(parquet.Int32, 32, true, parquet.ConvertedInt32) }

func bytesLeaf() leafType {
	return leafType{physical: parquet.ByteArray, converted: parquet.NoConvertedType}
}

func textLeaf() leafType {
	return leafType{parquet.ByteArray, 0, parquet.ConvertedUTF8, parquet.LogicalType{Kind: parquet.LogicalString}}
}

func doubleLeaf() leafType {
	return leafType{physical: parquet.Double, length: 64, converted: parquet.NoConvertedType}
}

func boolLeaf() leafType {
	return leafType{physical: parquet.Boolean, length: 1, converted: parquet.NoConvertedType}
}

// schemaBuilder adds the nodes of a schema, depth first.
type schemaBuilder struct {
	schema   *Schema
	path     []string
	parent   int // among the elements
	rep, def uint8
}

// newSchema makes a schema of what children adds below the root.
func newSchema(format, root string, children func(b *schemaBuilder)) *Schema {
	s := &Schema{Format: format, byRole: make(map[Role]int)}
	s.Elements = []parquet.SchemaElement{{Name: root, Converted: parquet.NoConvertedType}}
	children(&schemaBuilder{schema: s})
	for i := range s.Columns {
		s.byRole[s.Columns[i].Role] = i
	}
	return s
}

// node adds an element below the current parent, and then its children.
func (b *schemaBuilder) node(e parquet.SchemaElement, children func(b *schemaBuilder)) {
	e.HasRepetition = true
	b.schema.Elements[b.parent].NumChildren++
	b.schema.Elements = append(b.schema.Elements, e)
	below := schemaBuilder{
		schema: b.schema, parent: len(b.schema.Elements) - 1,
		path: append(slices.Clone(b.path), e.Name), rep: b.rep, def: b.def,
	}
	if e.Repetition == parquet.Repeated {
		below.rep++
	}
	if e.Repetition != parquet.Required {
		below.def++
	}
	children(&below)
}

func (b *schemaBuilder) group(name string, children func(b *schemaBuilder)) {
	b.node(parquet.SchemaElement{Name: name, Converted: parquet.NoConvertedType}, children)
}

func (b *schemaBuilder) repeated(name string, children func(b *schemaBuilder)) {
	b.node(parquet.SchemaElement{Name: name, Converted: parquet.NoConvertedType, Repetition: parquet.Repeated}, children)
}

// list is a LIST of elements that are groups.
func (b *schemaBuilder) list(name string, children func(b *schemaBuilder)) {
	e := parquet.SchemaElement{Name: name, Converted: parquet.ConvertedList, Logical: parquet.LogicalType{Kind: parquet.LogicalList}}
	b.node(e, func(b *schemaBuilder) {
		b.repeated("list", func(b *schemaBuilder) { b.group("element", children) })
	})
}

// leaves is a LIST of elements that are leaves.
func (b *schemaBuilder) leaves(name string, t leafType, enc parquet.Encoding, r Role) {
	e := parquet.SchemaElement{Name: name, Converted: parquet.ConvertedList, Logical: parquet.LogicalType{Kind: parquet.LogicalList}}
	b.node(e, func(b *schemaBuilder) {
		b.repeated("list", func(b *schemaBuilder) { b.leaf("element", t, enc, r) })
	})
}

func (b *schemaBuilder) leaf(name string, t leafType, enc parquet.Encoding, r Role) {
	b.column(name, t, parquet.Required, enc, r)
}

func (b *schemaBuilder) optional(name string, t leafType, enc parquet.Encoding, r Role) {
	b.column(name, t, parquet.Optional, enc, r)
}

func (b *schemaBuilder) column(name string, t leafType, rep parquet.Repetition, enc parquet.Encoding, r Role) {
	e := parquet.SchemaElement{
		Name: name, Leaf: true, Type: t.physical, TypeLength: t.length, Repetition: rep,
		Converted: t.converted, Logical: t.logical,
	}
	b.node(e, func(b *schemaBuilder) {
		b.schema.Columns = append(b.schema.Columns, Column{
			Path: b.path, Name: shortName(b.path), Type: t.physical,
			Unsigned: t.logical.Kind == parquet.LogicalInteger && !t.logical.Signed,
			MaxRep:   b.rep, MaxDef: b.def, Optional: rep == parquet.Optional, Encoding: enc, Role: r,
		})
	})
}

func shortName(path []string) string {
	var parts []string
	for _, p := range path {
		if p != "list" && p != "element" && p != "key_value" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ".")
}
