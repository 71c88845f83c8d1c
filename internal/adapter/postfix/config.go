package postfix

import (
	"fmt"
	"iter"
	"strings"
)

// settings is what one main.cf sets, with Postfix's own defaults behind it.
type settings struct {
	dir   string            // the configuration directory
	set   map[string]string // as written, not expanded
	notes []string          // lines that could not be read
}

const maxBadLines = 8 // lines of a main.cf that are named in notes

// parseMainCF reads the text of a main.cf as postconf(5) describes it. The
// last setting of a name counts. A line without "=" is noted and left out.
func parseMainCF(dir, text string) *settings {
	s := &settings{dir: dir, set: map[string]string{}}
	for line := range logicalLines(text) {
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			if len(s.notes) < maxBadLines {
				s.notes = append(s.notes, fmt.Sprintf("main.cf in %s: no \"name = value\": %q; run `postconf -n -c %s`", dir, clip(line), dir))
			}
			continue
		}
		s.set[name] = strings.TrimSpace(value)
	}
	return s
}

// logicalLines gives the lines of a main.cf or master.cf: empty lines and
// comments are left out, a line that begins with white space continues the
// one before, also across comments.
func logicalLines(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		var line strings.Builder
		for text != "" {
			var raw string
			raw, text, _ = strings.Cut(text, "\n")
			raw = strings.TrimRight(raw, " \t\r\f\v")
			trimmed := strings.TrimLeft(raw, " \t\f\v")
			if trimmed == "" || trimmed[0] == '#' {
				continue
			}
			if len(trimmed) == len(raw) && line.Len() > 0 {
				if !yield(line.String()) {
					return
				}
				line.Reset()
			}
			line.WriteString(raw)
		}
		if line.Len() > 0 {
			yield(line.String())
		}
	}
}

// builtin gives Postfix's own default of the settings that are asked for
// here; the defaults of distributions differ only in directories.
func builtin(name string) string {
	switch name {
	case "queue_directory":
		return "/var/spool/postfix"
	case "data_directory":
		return "/var/lib/postfix"
	case "command_directory":
		return "/usr/sbin"
	case "mail_name":
		return "Postfix"
	case "mail_owner":
		return "postfix"
	case "setgid_group":
		return "postdrop"
	case "syslog_name":
		return "${multi_instance_name?{$multi_instance_name}:{postfix}}"
	case "default_process_limit":
		return "100"
	case "maximal_queue_lifetime":
		return "5d"
	case "inet_interfaces", "inet_protocols":
		return "all"
	case "process_id_directory":
		return "pid"
	}
	return ""
}

// get gives the value of a setting with every $name expanded.
func (s *settings) get(name string) (string, error) {
	return s.with("").get(name)
}

// list gives the words of a setting that is a list; what cannot be expanded
// gives none.
func (s *settings) list(name string) []string {
	v, err := s.get(name)
	if err != nil {
		return nil
	}
	return strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// with gives an expander that knows $service_name, for the -o settings of a
// service.
func (s *settings) with(service string) *expander {
	return &expander{s: s, service: service, budget: maxExpansions}
}

const (
	maxExpansions = 1000    // macros expanded for one setting
	maxNesting    = 32      // macros within macros
	maxExpanded   = 1 << 16 // bytes of one expanded value
)

// expander expands one setting. Its budget bounds the work that a
// configuration can ask for.
type expander struct {
	s       *settings
	service string
	budget  int
	depth   int
}

func (x *expander) get(name string) (string, error) {
	v, err := x.expand(x.raw(name))
	if err != nil {
		return "", fmt.Errorf("expand %s: %w", name, err)
	}
	return v, nil
}

func (x *expander) raw(name string) string {
	switch {
	case name == "config_directory":
		return x.s.dir
	case name == "service_name" && x.service != "":
		return x.service
	}
	if v, ok := x.s.set[name]; ok {
		return v
	}
	return builtin(name)
}

// expand replaces $name, ${name}, $(name), ${name?text}, ${name:text},
// ${name?{text}:{text}} and ${{a} == {b} ? {text} : {text}}; $$ is one $.
func (x *expander) expand(text string) (string, error) {
	if strings.IndexByte(text, '$') < 0 {
		return text, nil
	}
	if x.depth++; x.depth > maxNesting {
		return "", fmt.Errorf("more than %d macros within each other: does a setting name itself? run `postconf -n -c %s`", maxNesting, x.s.dir)
	}
	defer func() { x.depth-- }()
	var out strings.Builder
	for {
		at := strings.IndexByte(text, '$')
		if at < 0 || at == len(text)-1 {
			out.WriteString(text)
			break
		}
		out.WriteString(text[:at])
		text = text[at+1:]
		if text[0] == '$' {
			out.WriteByte('$')
			text = text[1:]
			continue
		}
		body, rest, err := macroBody(text)
		if err != nil {
			return "", err
		}
		text = rest
		v, err := x.macro(body)
		if err != nil {
			return "", err
		}
		out.WriteString(v)
		if out.Len() > maxExpanded {
			return "", fmt.Errorf("value longer than %d bytes", maxExpanded)
		}
	}
	return out.String(), nil
}

// macroBody cuts what stands after a $ into the macro and the rest.
func macroBody(text string) (body, rest string, err error) {
	if text[0] == '{' || text[0] == '(' {
		n := closing(text)
		if n < 0 {
			return "", "", fmt.Errorf("no closing bracket in %q", clip(text))
		}
		return text[1:n], text[n+1:], nil
	}
	n := 0
	for n < len(text) && nameByte(text[n]) {
		n++
	}
	if n == 0 {
		return "", "", fmt.Errorf("no name after $ in %q", clip(text))
	}
	return text[:n], text[n:], nil
}

// closing gives the index of the bracket that closes the one at 0, or -1.
func closing(text string) int {
	open, shut := text[0], byte('}')
	if open == '(' {
		shut = ')'
	}
	level := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case open:
			level++
		case shut:
			if level--; level == 0 {
				return i
			}
		}
	}
	return -1
}

func nameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func (x *expander) macro(body string) (string, error) {
	if x.budget--; x.budget < 0 {
		return "", fmt.Errorf("more than %d macros", maxExpansions)
	}
	body = strings.TrimSpace(body)
	if strings.HasPrefix(body, "{") {
		return x.relation(body)
	}
	n := 0
	for n < len(body) && nameByte(body[n]) {
		n++
	}
	name, rest := body[:n], strings.TrimLeft(body[n:], " \t")
	if name == "" {
		return "", fmt.Errorf("no name in ${%s}", clip(body))
	}
	value, err := x.expand(x.raw(name))
	if err != nil || rest == "" {
		return value, err
	}
	switch rest[0] {
	case '?':
		return x.choose(value != "", rest)
	case ':':
		return x.choose(value == "", "?"+rest[1:])
	}
	return "", fmt.Errorf("no ? or : after the name in ${%s}", clip(body))
}

// choose reads "?text", "?{text}" or "?{text}:{text}" and gives the text that
// the condition picks.
func (x *expander) choose(yes bool, rest string) (string, error) {
	rest = strings.TrimLeft(rest[1:], " \t")
	then, other := rest, ""
	if strings.HasPrefix(rest, "{") {
		n := closing(rest)
		if n < 0 {
			return "", fmt.Errorf("no closing bracket in %q", clip(rest))
		}
		then, rest = rest[1:n], strings.TrimLeft(rest[n+1:], " \t")
		if tail, ok := strings.CutPrefix(rest, ":"); ok {
			other = strings.TrimSpace(tail)
			if strings.HasPrefix(other, "{") && closing(other) == len(other)-1 {
				other = other[1 : len(other)-1]
			}
		} else if rest != "" {
			return "", fmt.Errorf("no : after the first text in %q", clip(rest))
		}
	}
	if yes {
		return x.expand(then)
	}
	return x.expand(other)
}

// relation reads "{a} == {b} ? {text} : {text}".
func (x *expander) relation(body string) (string, error) {
	left, rest, err := x.operand(body)
	if err != nil {
		return "", err
	}
	n := 0
	for n < len(rest) && strings.IndexByte("=!<>abcdefghijklmnopqrstuvwxyz", rest[n]) >= 0 {
		n++
	}
	op := rest[:n]
	right, rest, err := x.operand(strings.TrimLeft(rest[n:], " \t"))
	if err != nil {
		return "", err
	}
	cmp := compareValues(left, right)
	var yes bool
	switch strings.TrimSuffix(op, "level") {
	case "==":
		yes = cmp == 0
	case "!=":
		yes = cmp != 0
	case "<":
		yes = cmp < 0
	case "<=":
		yes = cmp <= 0
	case ">":
		yes = cmp > 0
	case ">=":
		yes = cmp >= 0
	default:
		return "", fmt.Errorf("unknown comparison %q", clip(op))
	}
	if !strings.HasPrefix(rest, "?") {
		return "", fmt.Errorf("no ? after the comparison in %q", clip(body))
	}
	return x.choose(yes, rest)
}

func (x *expander) operand(text string) (value, rest string, err error) {
	if !strings.HasPrefix(text, "{") {
		return "", "", fmt.Errorf("no { in %q", clip(text))
	}
	n := closing(text)
	if n < 0 {
		return "", "", fmt.Errorf("no closing bracket in %q", clip(text))
	}
	value, err = x.expand(strings.TrimSpace(text[1:n]))
	return value, strings.TrimLeft(text[n+1:], " \t"), err
}

// compareValues compares whole numbers and dotted levels ("3.6") as such and
// everything else as text.
func compareValues(a, b string) int {
	if !dotted(a) || !dotted(b) {
		return strings.Compare(a, b)
	}
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if len(x) != len(y) {
			return len(x) - len(y)
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
	}
	return 0
}

func dotted(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.") == ""
}

// clip cuts a text for a message.
func clip(s string) string { return s[:min(len(s), 80)] }
