package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// MaxChartPoints bounds the points of one line of a chart.
const MaxChartPoints = 1500

// MaxChartSpan is the longest span of a chart.
const MaxChartSpan = 35 * 24 * time.Hour

// ChartQuery asks for one sign over time, or for one series by its key.
// Zero values: the only instance, the last 24 h. Sign and Series exclude each other.
type ChartQuery struct {
	Instance string
	Sign     mta.Sign // queues, failures, connections or daemons
	Series   string   // name{label="value"}
	Span     time.Duration
	End      time.Time // zero: now
}

// Charts are figures over time with what was normal then.
type Charts struct {
	From      time.Time  `json:"from"`
	To        time.Time  `json:"to"`
	Step      int        `json:"step_s"` // seconds from one point to the next
	Charts    []Chart    `json:"charts"`
	Lifelines []Lifeline `json:"lifelines,omitempty"` // of daemons, the newest first
	Unknown   string     `json:"unknown,omitempty"`
}

// Chart is one figure over time. Each point tells of the step that ends
// there: a gauge's greatest value, a counter's growth a minute. All lines
// have the length of Times.
type Chart struct {
	ID        string  `json:"id"`
	Title     string  `json:"title"`
	Unit      string  `json:"unit"`
	Direction string  `json:"direction"`         // "up" or "down": how it is drawn
	PartOf    string  `json:"part_of,omitempty"` // the ID of the chart that it is a part of
	Series    string  `json:"series,omitempty"`  // the key of the series, or of the sum, that the normal range is of
	Times     []int64 `json:"times"`             // Unix seconds
	Values    Line    `json:"values"`
	Low       Line    `json:"low"`
	High      Line    `json:"high"`
	Now       *Number `json:"now"`    // the newest value; null when unknown
	Normal    *Range  `json:"normal"` // at the end of the chart
}

// The directions of a chart.
const (
	Up   = "up"
	Down = "down"
)

// Lifeline is the life of one process, or of one start of a daemon.
type Lifeline struct {
	Role  string     `json:"role"`
	PID   int        `json:"pid,omitempty"` // 0: not known any more
	Start time.Time  `json:"start"`
	End   *time.Time `json:"end"` // null: it runs
}

// Line is the values of a chart. What is unknown is NaN, and null in JSON.
type Line []float64

// MarshalJSON writes the line with six digits a value.
func (l Line) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 6*len(l)+2)
	b = append(b, '[')
	for i, v := range l {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendNumber(b, v)
	}
	return append(b, ']'), nil
}

func appendNumber(b []byte, v float64) []byte {
	switch {
	case !finite(v):
		return append(b, "null"...)
	case v == math.Trunc(v) && math.Abs(v) < 1e15:
		return strconv.AppendInt(b, int64(v), 10)
	}
	return strconv.AppendFloat(b, v, 'g', 6, 64)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (l *Line) UnmarshalJSON(text []byte) error {
	var list []*float64
	if err := json.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("read line of a chart: %w", err)
	}
	*l = make(Line, len(list))
	for i, v := range list {
		(*l)[i] = math.NaN()
		if v != nil {
			(*l)[i] = *v
		}
	}
	return nil
}

// Number is a value of a chart; what is unknown is null in JSON.
type Number float64

// MarshalJSON writes it as Line does.
func (n Number) MarshalJSON() ([]byte, error) { return appendNumber(nil, float64(n)), nil }

// UnmarshalJSON reads a number.
func (n *Number) UnmarshalJSON(text []byte) error {
	v, err := strconv.ParseFloat(string(bytes.TrimSpace(text)), 64)
	if err != nil {
		return fmt.Errorf("read number of a chart: %w", err)
	}
	*n = Number(v)
	return nil
}
