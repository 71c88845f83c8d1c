// Package internal_test holds the rules of ARCHITECTURE.md about the packages
// below: the page goes in, each breach comes out as one plain sentence.
package internal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module       = "github.com/mtawatch/mtawatch"
	maxFileLines = 500
	maxFuncLines = 60
	maxTestLines = 150 // of a test function: its table stands in it
)

// longFuncs may be longer than maxFuncLines, each for a reason.
var longFuncs = map[string]string{}

// impure are the imports that a pure package must not have.
var impure = []string{"os", "os/exec", "os/signal", "os/user", "net", "net/http", "log", "log/slog", "syscall", "sync/atomic",
	"golang.org/x/sys/unix", "golang.org/x/sync/errgroup"}

// clock are the functions of package time by which a pure package would ask
// the clock.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// source is one Go file below internal.
type source struct {
	name  string // as internal/mta/event.go
	pkg   string // as mta
	test  bool
	lines int
	set   *token.FileSet
	ast   *ast.File
}

// page is what ARCHITECTURE.md says.
type page struct {
	text       string
	imports    map[string][]string
	pure       []string
	goroutines []string
}

func TestImportOrder(t *testing.T) {
	p, files := readPage(t), readSources(t)
	for _, f := range files {
		allowed, listed := p.imports[f.pkg]
		if !listed || f.test {
			continue // TestEveryPackageIsListed says so; a test may bring packages together
		}
		for _, imported := range f.imports() {
			ours, ok := strings.CutPrefix(imported, module+"/internal/")
			if !ok || ours == f.pkg || slices.Contains(allowed, ours) {
				continue
			}
			t.Errorf("%s imports %s, which the import order of ARCHITECTURE.md does not allow for %s.", f.name, ours, f.pkg)
		}
	}
}

func TestImportOrderHasNoCircle(t *testing.T) {
	p := readPage(t)
	state := map[string]int{} // 1 on the way down, 2 done
	var visit func(name string, way []string)
	visit = func(name string, way []string) {
		switch state[name] {
		case 1:
			t.Errorf("The import order goes in a circle: %s.", strings.Join(append(way, name), " -> "))
			return
		case 2:
			return
		}
		state[name] = 1
		for _, next := range p.imports[name] {
			if _, ok := p.imports[next]; !ok {
				t.Errorf("The import order lets %s import %s, but has no line for %s.", name, next, next)
				continue
			}
			visit(next, append(way, name))
		}
		state[name] = 2
	}
	for _, name := range slices.Sorted(maps.Keys(p.imports)) {
		visit(name, nil)
	}
}

func TestEveryPackageIsListed(t *testing.T) {
	p := readPage(t)
	exist := map[string]bool{}
	for _, f := range readSources(t) {
		exist[f.pkg] = true
	}
	for _, name := range slices.Sorted(maps.Keys(exist)) {
		if _, ok := p.imports[name]; !ok {
			t.Errorf("internal/%s exists but has no line in the import order of ARCHITECTURE.md.", name)
		}
		if !inTree(p.text, path.Base(name)) {
			t.Errorf("The tree of ARCHITECTURE.md does not show internal/%s.", name)
		}
	}
	for _, name := range slices.Concat(slices.Sorted(maps.Keys(p.imports)), p.pure, p.goroutines) {
		if !exist[name] {
			t.Errorf("ARCHITECTURE.md names %s, but internal/%s does not exist.", name, name)
		}
	}
}

// inTree says whether some line of the page begins with the name.
func inTree(text, name string) bool {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			return true
		}
	}
	return false
}

func TestPurePackages(t *testing.T) {
	p := readPage(t)
	for _, f := range readSources(t) {
		if f.test || !slices.Contains(p.pure, f.pkg) {
			continue
		}
		for _, imported := range f.imports() {
			if slices.Contains(impure, imported) {
				t.Errorf("%s imports %s, but %s is a pure package.", f.name, imported, f.pkg)
			}
		}
		timeName := f.importName("time")
		ast.Inspect(f.ast, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == timeName && x.Obj == nil && slices.Contains(clock, s.Sel.Name) {
				t.Errorf("%s uses time.%s, but %s is a pure package: time comes from the data.", f.at(n), s.Sel.Name, f.pkg)
			}
			return true
		})
	}
}

func TestGoroutines(t *testing.T) {
	p := readPage(t)
	for _, f := range readSources(t) {
		if f.test || slices.Contains(p.goroutines, f.pkg) {
			continue
		}
		complain := func(n ast.Node, what string) {
			t.Errorf("%s %s, but only %s may start goroutines.", f.at(n), what, strings.Join(p.goroutines, " and "))
		}
		for _, i := range f.ast.Imports {
			if i.Path.Value == `"golang.org/x/sync/errgroup"` {
				complain(i, "imports errgroup")
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				complain(n, "has a go statement")
			case *ast.CallExpr:
				// wg.Go(func() { ... }) and its like.
				s, ok := n.Fun.(*ast.SelectorExpr)
				if !ok || s.Sel.Name != "Go" && s.Sel.Name != "TryGo" || len(n.Args) != 1 {
					break
				}
				complain(n, "calls "+s.Sel.Name)
			}
			return true
		})
	}
}

func TestPackageComments(t *testing.T) {
	has := map[string]bool{}
	for _, f := range readSources(t) {
		if f.test {
			continue
		}
		want := "Package " + f.ast.Name.Name + " "
		has[f.pkg] = has[f.pkg] || f.ast.Doc != nil && strings.HasPrefix(f.ast.Doc.Text(), want)
	}
	for _, name := range slices.Sorted(maps.Keys(has)) {
		if !has[name] {
			t.Errorf("internal/%s has no package comment that says what comes in, what goes out and what is promised.", name)
		}
	}
}

func TestSizes(t *testing.T) {
	known := map[string]bool{}
	for _, f := range readSources(t) {
		if f.lines > maxFileLines {
			t.Errorf("%s has %d lines; the limit is %d.", f.name, f.lines, maxFileLines)
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			name := f.pkg + "." + fn.Name.Name
			limit := maxFuncLines
			if f.test {
				limit = maxTestLines
			}
			n := f.set.Position(fn.End()).Line - f.set.Position(fn.Pos()).Line + 1
			if _, ok := longFuncs[name]; ok {
				known[name] = n > limit
			} else if n > limit {
				t.Errorf("%s is %d lines long; the limit is %d.", f.at(fn), n, limit)
			}
		}
	}
	for name := range longFuncs {
		if !known[name] {
			t.Errorf("%s is short or gone: take it off the list of long functions.", name)
		}
	}
}

// TestNoInit keeps what happens at start in one place, cli.
func TestNoInit(t *testing.T) {
	for _, f := range readSources(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s is an init function; build it in New or in app.", f.at(fn))
			}
		}
	}
}

// TestAdapterList compares the list of adapters with the folders.
func TestAdapterList(t *testing.T) {
	var folders []string
	listed := map[string]bool{}
	for _, f := range readSources(t) {
		if name, ok := strings.CutPrefix(f.pkg, "adapter/"); ok && name != "all" && name != "adaptertest" && !slices.Contains(folders, name) {
			folders = append(folders, name)
		}
		if f.pkg == "adapter/all" && !f.test {
			for _, imported := range f.imports() {
				listed[path.Base(imported)] = true
			}
		}
	}
	for _, name := range folders {
		if !listed[name] {
			t.Errorf("internal/adapter/%s is not in the list of internal/adapter/all.", name)
		}
	}
}

func (f *source) imports() []string {
	var list []string
	for _, i := range f.ast.Imports {
		if name, err := strconv.Unquote(i.Path.Value); err == nil {
			list = append(list, name)
		}
	}
	return list
}

// importName gives the name by which the file calls an imported package.
func (f *source) importName(imported string) string {
	for _, i := range f.ast.Imports {
		if i.Path.Value == strconv.Quote(imported) && i.Name != nil {
			return i.Name.Name
		}
	}
	return path.Base(imported)
}

func (f *source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.name, f.set.Position(n.Pos()).Line)
}

func readSources(t *testing.T) []*source {
	t.Helper()
	var list []*source
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "testdata" {
			return filepath.SkipDir
		}
		pkg := filepath.ToSlash(filepath.Dir(name))
		if d.IsDir() || filepath.Ext(name) != ".go" || pkg == "." {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f := &source{name: "internal/" + filepath.ToSlash(name), pkg: pkg, test: strings.HasSuffix(name, "_test.go"),
			lines: strings.Count(string(text), "\n"), set: token.NewFileSet()}
		f.ast, err = parser.ParseFile(f.set, name, text, parser.ParseComments)
		list = append(list, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		t.Fatal("no Go file found")
	}
	return list
}

func readPage(t *testing.T) page {
	t.Helper()
	b, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	p := page{text: string(b), imports: map[string][]string{}}
	for line := range strings.Lines(block(t, p.text, "imports")) {
		name, list, ok := strings.Cut(line, ":")
		if !ok {
			t.Fatalf("The import order has a line without a colon: %q.", line)
		}
		if _, twice := p.imports[name]; twice {
			t.Errorf("The import order names %s twice.", name)
		}
		p.imports[name] = strings.Fields(list)
	}
	p.pure = strings.Fields(block(t, p.text, "pure"))
	p.goroutines = strings.Fields(block(t, p.text, "goroutines"))
	return p
}

// block gives the fenced block of a kind, of which the page has one.
func block(t *testing.T, text, kind string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "```"+kind+"\n")
	inside, _, end := strings.Cut(rest, "```")
	if !ok || !end || strings.TrimSpace(inside) == "" {
		t.Fatalf("ARCHITECTURE.md has no block %q.", kind)
	}
	return inside
}
