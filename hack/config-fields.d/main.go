// Prints the fields of a configuration type of Kubernetes: one line a field, its path and its form, sorted.
//
//	go run main.go DIRECTORY-OF-THE-MODULE-CACHE VERSION-OF-KUBERNETES PACKAGE TYPE
//
// It reads the Go sources with the standard library alone. A list is `path[]`, a map `path.*`.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
)

var cache, version string

// A type, its package and the packages that its file imports.
type source struct {
	expr    ast.Expr
	in      string
	imports map[string]string
}

var packages = map[string]map[string]source{}

// Forms of types that have a text or number form of their own.
var known = map[string]string{
	"k8s.io/apimachinery/pkg/apis/meta/v1.Duration":                                 "duration",
	"k8s.io/apimachinery/pkg/apis/meta/v1.Time":                                     "time",
	"k8s.io/apimachinery/pkg/api/resource.QuantityValue":                            "quantity",
	"k8s.io/apimachinery/pkg/api/resource.Quantity":                                 "quantity",
	"k8s.io/kubernetes/cmd/kubeadm/app/apis/bootstraptoken/v1.BootstrapTokenString": "text",
	"k8s.io/component-base/logs/api/v1.TimeOrMetaDuration":                          "any",
}

func directory(importPath string) string {
	parts := strings.SplitN(importPath, "/", 3)
	module, rest := parts[0]+"/"+parts[1], ""
	if len(parts) == 3 {
		rest = parts[2]
	}
	minor := "v0" + strings.TrimPrefix(version, "v1")
	if module == "k8s.io/kubernetes" {
		minor = version
	}
	return filepath.Join(cache, module+"@"+minor, rest)
}

func load(importPath string) map[string]source {
	if found, ok := packages[importPath]; ok {
		return found
	}
	types := map[string]source{}
	packages[importPath] = types
	files, _ := filepath.Glob(filepath.Join(directory(importPath), "*.go"))
	if len(files) == 0 {
		fmt.Fprintln(os.Stderr, "no Go files of", importPath, "in", directory(importPath))
		os.Exit(1)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		imports := map[string]string{}
		for _, spec := range parsed.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			name := filepath.Base(path)
			if spec.Name != nil {
				name = spec.Name.Name
			}
			imports[name] = path
		}
		for _, decl := range parsed.Decls {
			if gen, ok := decl.(*ast.GenDecl); ok {
				for _, spec := range gen.Specs {
					if t, ok := spec.(*ast.TypeSpec); ok {
						types[t.Name.Name] = source{t.Type, importPath, imports}
					}
				}
			}
		}
	}
	return types
}

func (s source) with(expr ast.Expr) source { return source{expr, s.in, s.imports} }

var lines []string

func emit(path, form string) { lines = append(lines, path+"\t"+form) }

func walk(from source, path string) {
	switch t := from.expr.(type) {
	case *ast.StarExpr:
		walk(from.with(t.X), path)
	case *ast.ArrayType:
		walk(from.with(t.Elt), path+"[]")
	case *ast.MapType:
		walk(from.with(t.Value), path+".*")
	case *ast.InterfaceType:
		emit(path, "any")
	case *ast.SelectorExpr:
		walkNamed(from.imports[t.X.(*ast.Ident).Name], path, t.Sel.Name)
	case *ast.Ident:
		switch t.Name {
		case "string":
			emit(path, "text")
		case "bool":
			emit(path, "bool")
		case "float32", "float64":
			emit(path, "number")
		case "any":
			emit(path, "any")
		case "int", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64":
			emit(path, t.Name)
		default:
			walkNamed(from.in, path, t.Name)
		}
	case *ast.StructType:
		for _, field := range t.Fields.List {
			walkField(from, path, field)
		}
	}
}

func walkNamed(importPath, path, name string) {
	if form, ok := known[importPath+"."+name]; ok {
		emit(path, form)
		return
	}
	found, ok := load(importPath)[name]
	if !ok {
		fmt.Fprintln(os.Stderr, "no type", name, "in", importPath)
		os.Exit(1)
	}
	walk(found, path)
}

func walkField(from source, path string, field *ast.Field) {
	tag := ""
	if field.Tag != nil {
		tag = reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json")
	}
	name, options, _ := strings.Cut(tag, ",")
	if name == "-" || len(field.Names) == 1 && !field.Names[0].IsExported() {
		return
	}
	if len(field.Names) == 0 && (name == "" || strings.Contains(options, "inline")) {
		if selector, ok := field.Type.(*ast.SelectorExpr); ok && selector.Sel.Name == "TypeMeta" {
			return
		}
		walk(from.with(field.Type), path)
		return
	}
	if path != "" {
		name = path + "." + name
	}
	walk(from.with(field.Type), name)
}

func main() {
	cache, version = os.Args[1], os.Args[2]
	walkNamed(os.Args[3], "", os.Args[4])
	sort.Strings(lines)
	fmt.Println(strings.Join(lines, "\n"))
}
