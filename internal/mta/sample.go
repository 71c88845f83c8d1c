package mta

import (
	"strings"
	"time"
)

// Label is one name-value pair of a series. Values are bounded by design:
// never an address, a queue id or raw text.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Series names one time series. Labels are in the order of the vocabulary.
type Series struct {
	Name    string
	Labels  []Label
	Counter bool // cumulative; else a gauge
}

// Key gives a text that is equal for equal series: the notation of the
// Prometheus text format, name{a="b",c="d"}.
func (s Series) Key() string {
	if len(s.Labels) == 0 {
		return s.Name
	}
	var b strings.Builder
	b.WriteString(s.Name)
	for i, l := range s.Labels {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(l.Name)
		b.WriteString(`="`)
		for j := 0; j < len(l.Value); j++ {
			switch c := l.Value[j]; c {
			case '\\', '"':
				b.WriteByte('\\')
				b.WriteByte(c)
			case '\n':
				b.WriteString(`\n`)
			default:
				b.WriteByte(c)
			}
		}
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}

// Sample is the value of one series at one moment. The pointer identifies
// the series from tick to tick, so a store may cache by it.
type Sample struct {
	Series *Series
	Value  float64
}

// Tick is all samples of one moment.
type Tick struct {
	Time    time.Time
	Samples []Sample
}
