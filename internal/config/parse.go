package config

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/mtawatch/mtawatch/internal/view"
)

// Parse reads the text of a configuration file; name stands in the errors,
// which are of type Errors. The YAML library finds the nodes; this package
// reads them itself, so that one run tells of every error. With mtas named,
// an instance of any other mail server is one.
func Parse(name string, text []byte, mtas ...string) (Config, error) {
	r := &reader{file: name, mtas: mtas, lines: make(map[string]int)}
	c := Default()
	if root := r.root(text); root != nil {
		r.structure(root, "", reflect.ValueOf(&c).Elem())
	}
	if !r.syntax {
		r.check(c)
	}
	if len(r.wrong) > 0 {
		r.wrong.sort()
		return Config{}, r.wrong
	}
	return c, nil
}

// reader walks the nodes and fills a Config.
type reader struct {
	file   string
	mtas   []string       // the mail servers that are known; none: any
	lines  map[string]int // where each key stands
	wrong  Errors
	syntax bool // the text is no YAML; nothing else can be said
}

func (r *reader) refuse(line int, key, format string, args ...any) {
	r.wrong = append(r.wrong, Error{File: r.file, Line: line, Key: key, Text: fmt.Sprintf(format, args...)})
}

// root parses the text; nil for an empty file. A panic in the library on odd
// input becomes an error like any other.
func (r *reader) root(text []byte) (root ast.Node) {
	defer func() {
		if p := recover(); p != nil {
			r.syntax = true
			r.refuse(0, "", "not readable as YAML: %v", p)
			root = nil
		}
	}()
	f, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax = true
		line, msg := 0, err.Error()
		if e := yaml.Error(nil); errors.As(err, &e) {
			msg = e.GetMessage()
			if t := e.GetToken(); t != nil && t.Position != nil {
				line = t.Position.Line
			}
		}
		if tabIndented(text, line) {
			msg = "a tab stands before the first word of the line; YAML takes spaces alone for indentation"
		}
		r.refuse(line, "", "not readable as YAML: %s", msg)
		return nil
	}
	for _, d := range f.Docs {
		if d.Body == nil || d.Body.Type() == ast.NullType {
			continue
		}
		if root != nil {
			r.refuse(lineOf(d.Body), "", "a second document; put everything in one")
			break
		}
		root = d.Body
	}
	return root
}

// tabIndented reports whether a line, counted from 1, is indented with a tab.
func tabIndented(text []byte, line int) bool {
	for l := range bytes.Lines(text) {
		if line--; line == 0 {
			indent := l[:len(l)-len(bytes.TrimLeft(l, " \t"))]
			return bytes.IndexByte(indent, '\t') >= 0
		}
	}
	return false
}

func lineOf(n ast.Node) int {
	var t *token.Token
	if n != nil {
		t = n.GetToken()
	}
	if t == nil || t.Position == nil {
		return 0
	}
	return t.Position.Line
}

// pairs gives the members of a mapping; false for anything else.
func pairs(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// structure fills the struct v from a mapping.
func (r *reader) structure(n ast.Node, path string, v reflect.Value) {
	list, ok := pairs(n)
	if !ok {
		r.refuse(lineOf(n), path, "must be keys with values, such as \"%s: ...\"", keysOf(v.Type())[0])
		return
	}
	seen := make(map[string]int)
	for _, p := range list {
		key, line := p.Key.String(), lineOf(p.Key)
		at := join(path, key)
		index, known := fieldOf(v.Type(), key)
		switch first, twice := seen[key]; {
		case twice:
			r.refuse(line, at, "is set twice, first on line %d", first)
			continue
		case !known:
			r.unknown(line, at, key, keysOf(v.Type()))
			continue
		}
		seen[key] = line
		r.lines[at] = line
		r.value(p.Value, at, v.Field(index))
	}
}

func (r *reader) unknown(line int, at, key string, known []string) {
	if near := nearest(key, known); near != "" {
		r.refuse(line, at, "unknown key; did you mean %q?", near)
		return
	}
	r.refuse(line, at, "unknown key; known here are %s", strings.Join(known, ", "))
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// keysOf lists the keys of a struct in their order.
func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if k := t.Field(i).Tag.Get("yaml"); k != "-" {
			keys = append(keys, k)
		}
	}
	return keys
}

func fieldOf(t reflect.Type, key string) (int, bool) {
	for i := range t.NumField() {
		if k := t.Field(i).Tag.Get("yaml"); k == key && k != "-" {
			return i, true
		}
	}
	return 0, false
}

// value fills v from any node. An empty value is an error: it is more often
// a forgotten one than a wish for nothing.
func (r *reader) value(n ast.Node, at string, v reflect.Value) {
	line := lineOf(n)
	if n == nil || n.Type() == ast.NullType {
		r.refuse(r.lines[at], at, "has no value; remove the key for its default")
		return
	}
	switch n.(type) {
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode:
		r.refuse(line, at, "anchors, aliases and tags are not read; write the value out")
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		r.structure(n, at, v)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.value(n, at, v.Elem())
	case reflect.Slice:
		r.sequence(n, at, v)
	default:
		if err := setScalar(n, v); err != nil {
			r.refuse(line, at, "%s", err)
		}
	}
}

func (r *reader) sequence(n ast.Node, at string, v reflect.Value) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		r.refuse(lineOf(n), at, "must be a list, such as [a, b]")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values)))
	for i, item := range list.Values {
		key := fmt.Sprintf("%s[%d]", at, i)
		r.lines[key] = lineOf(item)
		r.value(item, key, v.Index(i))
	}
}

// setScalar reads one value; the error says what would be right.
func setScalar(n ast.Node, v reflect.Value) error {
	got := n.GetToken().Value
	if l, ok := n.(*ast.LiteralNode); ok {
		got = l.Value.Value
	}
	s, isText := n.(*ast.StringNode)
	switch v.Interface().(type) {
	case time.Duration:
		d, err := readDuration(got)
		if err != nil {
			return err
		}
		v.SetInt(int64(d))
	case string, view.Role:
		if isText {
			got = s.Value
		} else if _, ok := n.(*ast.LiteralNode); !ok {
			return fmt.Errorf("must be text, not %q; put it in quotes", got)
		}
		v.SetString(got)
	case bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			return fmt.Errorf("must be true or false, not %q", got)
		}
		v.SetBool(b.Value)
	case uint16:
		p, err := strconv.ParseUint(got, 10, 16)
		if err != nil || p == 0 || isText {
			return fmt.Errorf("must be a port from 1 to 65535, not %q", got)
		}
		v.SetUint(p)
	case float64:
		f, err := strconv.ParseFloat(got, 64)
		if err != nil || isText || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("must be a number, not %q", got)
		}
		v.SetFloat(f)
	default:
		return fmt.Errorf("has a type that cannot be read: %s", v.Type())
	}
	return nil
}

// readDuration reads Go's durations ("90s", "1h30m") and days ("35d").
func readDuration(s string) (time.Duration, error) {
	wrong := fmt.Errorf("must be a duration such as 10s, 5m, 12h or 35d, not %q", s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, wrong
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, wrong
	}
	return d, nil
}
