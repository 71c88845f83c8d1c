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

// ParseSeries reads how a series is written: as Prometheus writes it where its name is
// of the vocabulary and begins with mta_ or mtawatch_. Any other text is the
// name of one gauge, and stays as it is.
func ParseSeries(text string) (mta.Series, error) {
	if text == "" {
		return mta.Series{}, errors.New("the series has no name")
	}
	if !strings.HasPrefix(text, "mta_") && !strings.HasPrefix(text, "mtawatch_") {
		return mta.Series{Name: text}, nil
	}
	return mta.ParseSeries(text)
}
