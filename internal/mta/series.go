package mta

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseSeries reads how a series is written in the text format of
// Prometheus, name{a="b",c="d"}: what Key writes. A name that ends in _total,
// _bucket, _sum or _count is a counter's.
func ParseSeries(text string) (Series, error) {
	end := 0
	for end < len(text) && nameByte(text[end], end) {
		end++
	}
	s := Series{Name: text[:end]}
	for _, suffix := range [...]string{"_total", "_bucket", "_sum", "_count"} {
		s.Counter = s.Counter || strings.HasSuffix(s.Name, suffix)
	}
	rest := strings.Trim(text[end:], " ")
	if rest == "" && end > 0 {
		return s, nil
	}
	ok := end > 0
	if ok {
		s.Labels, ok = parseLabels(rest)
	}
	if !ok {
		return Series{}, fmt.Errorf("the series %s is not written as name{label=\"value\",...}", strconv.Quote(text[:min(len(text), 40)]))
	}
	return s, nil
}

func nameByte(c byte, at int) bool {
	return c == '_' || c == ':' || c|0x20 >= 'a' && c|0x20 <= 'z' || at > 0 && c >= '0' && c <= '9'
}

// parseLabels reads {a="b",c="d"}.
func parseLabels(s string) (list []Label, ok bool) {
	if s[0] != '{' {
		return nil, false
	}
	s = strings.TrimLeft(s[1:], " ")
	for s != "" && s[0] != '}' {
		end := 0
		for end < len(s) && nameByte(s[end], end) {
			end++
		}
		l := Label{Name: s[:end]}
		s = strings.TrimLeft(s[end:], " ")
		if end == 0 || s == "" || s[0] != '=' {
			return nil, false
		}
		if l.Value, s, ok = labelValue(strings.TrimLeft(s[1:], " ")); !ok {
			return nil, false
		}
		list = append(list, l)
		s = strings.TrimLeft(s, " ")
		if s != "" && s[0] == ',' {
			s = strings.TrimLeft(s[1:], " ")
		} else if s != "" && s[0] != '}' {
			return nil, false
		}
	}
	return list, s == "}"
}

// labelValue reads a quoted value and gives what follows it.
func labelValue(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], true
		case c == '\\' && i+1 < len(s):
			i++
			if s[i] == 'n' {
				b.WriteByte('\n')
			} else {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}
