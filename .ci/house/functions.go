package main

import (
	"cmp"
	"go/ast"
	"go/token"
	"slices"
)

// function is what is measured of one.
type function struct {
	name  string // with its place
	lines int
	paths int // cyclomatic complexity: 1, and one more for each decision
	depth int // of what is nested in it
}

// functions are those of the product, the longest first.
func (c *code) functions() (all []function) {
	for _, s := range c.product {
		for _, d := range s.tree.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			all = append(all, function{
				name:  c.at(f) + " " + f.Name.Name,
				lines: c.fset.Position(f.End()).Line - c.fset.Position(f.Pos()).Line + 1,
				paths: 1 + decisions(f.Body), depth: depth(f.Body),
			})
		}
	}
	slices.SortFunc(all, func(a, b function) int { return cmp.Compare(b.lines, a.lines) })
	return all
}

// decisions are the places within n at which there are two ways to go on.
func decisions(n ast.Node) (found int) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			found++
		case *ast.CaseClause:
			if n.List != nil {
				found++
			}
		case *ast.CommClause:
			if n.Comm != nil {
				found++
			}
		case *ast.BinaryExpr:
			if n.Op == token.LAND || n.Op == token.LOR {
				found++
			}
		}
		return true
	})
	return found
}

// depth is how deep statements are nested within n. What follows an else is as
// deep as its if, and a function within another begins at its own level.
func depth(n ast.Node) (deepest int) {
	within := func(parts ...ast.Node) {
		for _, part := range parts {
			deepest = max(deepest, 1+depth(part))
		}
	}
	ast.Inspect(n, func(at ast.Node) bool {
		if at == n {
			return true
		}
		switch at := at.(type) {
		case *ast.IfStmt:
			within(at.Body)
			if at.Else != nil {
				if _, chained := at.Else.(*ast.IfStmt); chained {
					deepest = max(deepest, depth(&ast.BlockStmt{List: []ast.Stmt{at.Else}}))
				} else {
					within(at.Else)
				}
			}
		case *ast.ForStmt:
			within(at.Body)
		case *ast.RangeStmt:
			within(at.Body)
		case *ast.SwitchStmt:
			within(at.Body)
		case *ast.TypeSwitchStmt:
			within(at.Body)
		case *ast.SelectStmt:
			within(at.Body)
		case *ast.FuncLit:
			deepest = max(deepest, depth(at.Body))
		default:
			return true
		}
		return false
	})
	return deepest
}
