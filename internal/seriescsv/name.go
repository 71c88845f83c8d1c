package seriescsv

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// sourceSeries is the name under which the connections of single addresses
// are written. It is no series: addresses are never labels.
const sourceSeries = "mtawatch_source_connections"

// newName makes known how a series is written.
func (r *Reader) newName(f field) (*name, error) {
	written := f.plain()
	s, err := ParseSeries(written)
	if err != nil {
		return nil, err
	}
	key := s.Key()
	c := r.columns[key]
	if c == nil {
		if c, err = newColumn(s); err != nil {
			return nil, err
		}
		r.columns[key] = c
		if c.series != nil {
			r.counts.Series++
		}
	}
	n := &name{raw: string(f.raw) + ",", col: c}
	r.names[n.raw[:len(f.raw)]] = n
	return n, nil
}

func newColumn(s mta.Series) (*column, error) {
	if s.Name != sourceSeries {
		return &column{series: &s}, nil
	}
	c := &column{}
	var err error
	for _, l := range s.Labels {
		switch l.Name {
		case "ip":
			if c.addr, err = netip.ParseAddr(l.Value); err != nil {
				return nil, fmt.Errorf("%s is no IP address", quote(l.Value))
			}
			c.addr = c.addr.Unmap()
		case "port":
			p, err := strconv.ParseUint(l.Value, 10, 16)
			if err != nil {
				return nil, fmt.Errorf("%s is no port", quote(l.Value))
			}
			c.port = uint16(p)
		}
	}
	if !c.addr.IsValid() {
		return nil, fmt.Errorf("%s without the label ip", sourceSeries)
	}
	return c, nil
}

// ParseSeries reads how a series is written: name{a="b",c="d"} as in
// Prometheus' text format for names of the vocabulary, which begin with mta_ or mtawatch_. Any
// other text is the name of one gauge, and stays as it is.
func ParseSeries(text string) (mta.Series, error) {
	if text == "" {
		return mta.Series{}, errors.New("the series has no name")
	}
	if !strings.HasPrefix(text, "mta_") && !strings.HasPrefix(text, "mtawatch_") {
		return mta.Series{Name: text}, nil
	}
	end := 0
	for end < len(text) && nameByte(text[end], end) {
		end++
	}
	s := mta.Series{Name: text[:end]}
	for _, suffix := range [...]string{"_total", "_bucket", "_sum", "_count"} {
		s.Counter = s.Counter || strings.HasSuffix(s.Name, suffix)
	}
	rest := strings.TrimSpace(text[end:])
	if rest == "" {
		return s, nil
	}
	var ok bool
	if s.Labels, ok = parseLabels(rest); !ok {
		return mta.Series{}, fmt.Errorf("the series %s is not written as name{label=\"value\",...}", quote(text))
	}
	return s, nil
}

func nameByte(c byte, at int) bool {
	return c == '_' || c == ':' || c|0x20 >= 'a' && c|0x20 <= 'z' || at > 0 && c >= '0' && c <= '9'
}

// parseLabels reads {a="b",c="d"}.
func parseLabels(s string) (list []mta.Label, ok bool) {
	if s[0] != '{' {
		return nil, false
	}
	s = strings.TrimLeft(s[1:], " ")
	for s != "" && s[0] != '}' {
		end := 0
		for end < len(s) && nameByte(s[end], end) {
			end++
		}
		l := mta.Label{Name: s[:end]}
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
