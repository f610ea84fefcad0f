package main

import (
	"go/ast"
	"go/token"
	"path"
)

// exported is how many names the product's packages show to others: of constants,
// variables, types, functions, and methods of types that are shown.
func (c *code) exported() (n int) {
	for _, s := range c.product {
		for _, d := range s.tree.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
					n++
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					n += exportedIn(spec)
				}
			}
		}
	}
	return n
}

func exportedIn(spec ast.Spec) (n int) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Name.IsExported() {
			n++
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() {
				n++
			}
		}
	}
	return n
}

// receiver is the name of the type that a method is of.
func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	for {
		switch inner := t.(type) {
		case *ast.StarExpr:
			t = inner.X
		case *ast.IndexExpr:
			t = inner.X
		case *ast.IndexListExpr:
			t = inner.X
		case *ast.Ident:
			return inner.Name
		default:
			return ""
		}
	}
}

func (c *code) inits() (places []string) {
	for _, s := range c.files {
		for _, d := range s.tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				places = append(places, c.at(f))
			}
		}
	}
	return places
}

// panics are those of the product. One whose value is a variable is another's,
// and is passed on.
func (c *code) panics() (places []string) {
	for _, s := range c.product {
		ast.Inspect(s.tree, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 1 {
				_, passed := call.Args[0].(*ast.Ident)
				if f, ok := call.Fun.(*ast.Ident); ok && f.Name == "panic" && !passed {
					places = append(places, c.at(call))
				}
			}
			return true
		})
	}
	return places
}

// sleeps are those of tests of a package in which no test has a clock of its own,
// that of testing/synctest.
func (c *code) sleeps() []string {
	bubble := map[string]bool{} // by directory
	for _, s := range c.tests {
		for _, i := range s.tree.Imports {
			if i.Path.Value == `"testing/synctest"` {
				bubble[path.Dir(s.path)] = true
			}
		}
	}
	var awake []*source
	for _, s := range c.tests {
		if !bubble[path.Dir(s.path)] {
			awake = append(awake, s)
		}
	}
	var places []string
	for _, s := range awake {
		ast.Inspect(s.tree, func(n ast.Node) bool {
			if f, ok := n.(*ast.SelectorExpr); ok && f.Sel.Name == "Sleep" && root(f.X) == "time" {
				places = append(places, c.at(f))
			}
			return true
		})
	}
	return places
}

// globals are the product's variables of packages that a function assigns to.
func (c *code) globals() (places []string) {
	declared := map[string]map[string]string{} // by directory and name, the place
	for _, s := range c.product {
		dir := path.Dir(s.path)
		for _, d := range s.tree.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if declared[dir] == nil {
						declared[dir] = map[string]string{}
					}
					declared[dir][name.Name] = c.at(name) + " " + name.Name
				}
			}
		}
	}
	for _, s := range c.product {
		for _, d := range s.tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				for _, name := range assigned(f) {
					if at := declared[path.Dir(s.path)][name]; at != "" {
						places = append(places, at)
					}
				}
			}
		}
	}
	return places
}

// assigned are the names that a function assigns to, or to a part of, and that it
// declares nowhere itself.
func assigned(f *ast.FuncDecl) (names []string) {
	local := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			for _, name := range n.Names {
				local[name.Name] = true
			}
		case *ast.ValueSpec:
			for _, name := range n.Names {
				local[name.Name] = true
			}
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				if n.Tok == token.DEFINE {
					local[root(left)] = true
				} else {
					names = append(names, root(left))
				}
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				local[root(n.Key)], local[root(n.Value)] = true, true
			}
		case *ast.IncDecStmt:
			names = append(names, root(n.X))
		}
		return true
	})
	var global []string
	for _, name := range names {
		if name != "" && name != "_" && !local[name] {
			global = append(global, name)
		}
	}
	return global
}

// root is the variable that an expression is, or is a part of.
func root(e ast.Expr) string {
	for {
		switch inner := e.(type) {
		case *ast.Ident:
			return inner.Name
		case *ast.IndexExpr:
			e = inner.X
		case *ast.SelectorExpr:
			e = inner.X
		case *ast.StarExpr:
			e = inner.X
		case *ast.ParenExpr:
			e = inner.X
		default:
			return ""
		}
	}
}
