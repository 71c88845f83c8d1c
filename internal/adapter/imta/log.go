package imta

import (
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/syslog"
)

// parser reads the transaction log in all its formats, the NSLOG files of the
// daemons, and both behind a syslog header. The format is found line by line.
type parser struct {
	names  []instanceName
	stamps stamps
	heads  *syslog.Reader
	rec    record // of the line that is read; here so that it is not made anew for each
	text   unescaper
}

// instanceName is an instance and what its lines may call it.
type instanceName struct {
	name string
	logs []string
}

func newParser(cfg adapter.ParserConfig) adapter.Parser {
	loc := cfg.Location
	if loc == nil {
		loc = time.UTC
	}
	p := &parser{stamps: stamps{loc: loc}, heads: syslog.New(syslog.Config{Location: cfg.Location, Year: cfg.Year})}
	for _, in := range cfg.Instances {
		p.names = append(p.names, instanceName{in.Name, in.LogNames})
	}
	if len(p.names) == 0 {
		p.names = []instanceName{{name: "imta"}}
	}
	return p
}

// Parse implements adapter.Parser.
func (p *parser) Parse(dst []mta.Event, line adapter.Line) ([]mta.Event, error) {
	s := line.Text
	if n := len(s); n > 0 && s[n-1] == '\r' { // of a server on Windows
		s = s[:n-1]
		line.Text = s
	}
	if s == "" {
		return dst, nil
	}
	n := len(dst)
	dst, err := p.parse(dst, s, line)
	if err != nil {
		return dst[:n], err
	}
	return dst, nil
}

// parse finds the form of a line by how it begins.
func (p *parser) parse(dst []mta.Event, s string, line adapter.Line) ([]mta.Event, error) {
	switch c := s[0]; {
	case digit(c):
		if len(s) > 2 && (s[2] == '-' || s[1] == '-') {
			return p.parseText(dst, s)
		}
		return p.parseDigit(dst, s, line)
	case c == '<':
		if len(s) > 1 && digit(s[1]) {
			return p.parseSyslog(dst, line)
		}
		return p.parseXML(dst, s, time.Time{})
	case c == '{':
		return p.parseJSON(dst, s, time.Time{})
	case c == '[':
		return p.parseNSLOG(dst, s)
	case c == ' ' || c == '\t':
		return p.parseIndented(dst, s)
	}
	if rest, ok := cutFileName(s); ok {
		return p.parse(dst, rest, adapter.Line{Text: rest, Ref: line.Ref})
	}
	return p.parseSyslog(dst, line)
}

// parseDigit reads a line that begins with a digit and is no text record.
func (p *parser) parseDigit(dst []mta.Event, s string, line adapter.Line) ([]mta.Event, error) {
	switch {
	case len(s) > 2 && s[2] == '/':
		return p.parseNSLOG(dst, s)
	case len(s) > 4 && s[4] == '-':
		return p.parseSyslog(dst, line)
	case len(s) > 2 && s[2] == '.' && strings.Contains(s, "): "):
		return dst, nil // debugging output "hh.mm.ss.cc (   1): text": it has no date
	}
	return dst, adapter.ErrUnknownLine
}

// parseIndented reads a line that begins with a blank: a record of a day
// below the tenth, as some systems print it, or the continuation of a line of
// debugging output.
func (p *parser) parseIndented(dst []mta.Event, s string) ([]mta.Event, error) {
	if len(s) > 2 && digit(s[1]) && s[2] == '-' {
		return p.parseText(dst, s[1:])
	}
	return dst, nil
}

// cutFileName cuts the "FILE:" that grep prints before a line of several
// files. A name is known by the "log" in it.
func cutFileName(s string) (rest string, ok bool) {
	const longest = 512
	for i := 1; i+1 < len(s) && i < longest; i++ {
		switch c := s[i]; {
		case c == ' ':
			return s, false
		case c != ':':
		case digit(s[i+1]) || s[i+1] == '<' || s[i+1] == '{' || s[i+1] == '[' || s[i+1] == ' ':
			return s[i+1:], strings.Contains(s[:i], "log") && s[i+1:] != ""
		}
	}
	return s, false
}

// instance gives the instance whose lines carry a name: that of the node or
// of the program in a syslog header. Lines carry none as a rule, and then all
// are the first's.
func (p *parser) instance(name string) string {
	if len(p.names) > 1 && name != "" {
		for _, in := range p.names {
			if in.name == name {
				return in.name
			}
			for _, l := range in.logs {
				if l == name {
					return in.name
				}
			}
		}
	}
	return p.names[0].name
}

func digit(c byte) bool { return c-'0' <= 9 }
