package prom

import (
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// stream encodes an answer and sends it piece by piece.
type stream struct {
	w   http.ResponseWriter
	b   []byte
	err error
}

const chunk = 32 << 10

func (s *stream) text(t string) { s.b = append(s.b, t...) }

func (s *stream) string(t string) { s.b = mta.AppendJSONString(s.b, t) }

// more sends what has gathered, when it is enough.
func (s *stream) more() {
	if len(s.b) >= chunk {
		s.flush()
	}
}

func (s *stream) flush() {
	if s.err == nil && len(s.b) > 0 {
		_, s.err = s.w.Write(s.b) // the asker has gone; the rest is not sent
	}
	s.b = s.b[:0]
}

// success writes a whole answer; data writes the member "data".
func success(w http.ResponseWriter, warnings []string, data func(*stream)) {
	w.Header().Set("Content-Type", "application/json")
	s := &stream{w: w, b: make([]byte, 0, chunk+4096)}
	s.text(`{"status":"success","data":`)
	data(s)
	var warn, info []string
	for _, t := range warnings { // the engine begins its texts so
		if strings.HasPrefix(t, "PromQL info") {
			info = append(info, t)
		} else {
			warn = append(warn, t)
		}
	}
	if len(warn) > 0 {
		s.text(`,"warnings":`)
		s.strings(warn)
	}
	if len(info) > 0 {
		s.text(`,"infos":`)
		s.strings(info)
	}
	s.text("}\n")
	s.flush()
}

func (s *stream) strings(list []string) {
	s.text("[")
	for i, t := range list {
		if i > 0 {
			s.text(",")
		}
		s.string(t)
		s.more()
	}
	s.text("]")
}

// labels writes an object with its members sorted.
func (s *stream) labels(m map[string]string) {
	s.text("{")
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			s.text(",")
		}
		s.string(name)
		s.text(":")
		s.string(m[name])
	}
	s.text("}")
}

// result writes resultType and result of a query.
func (s *stream) result(r mta.QueryResult) {
	s.text(`{"resultType":`)
	s.string(r.Type)
	s.text(`,"result":`)
	switch r.Type {
	case "scalar", "string":
		var p mta.Point
		if len(r.Series) > 0 && len(r.Series[0].Points) > 0 {
			p = r.Series[0].Points[0]
		}
		if r.Type == "scalar" {
			s.point(p)
			break
		}
		s.text("[")
		s.time(p.Time)
		s.text(",")
		s.string(r.Text)
		s.text("]")
	default:
		s.series(r)
	}
	s.text("}")
}

func (s *stream) series(r mta.QueryResult) {
	s.text("[")
	for i, sr := range r.Series {
		if i > 0 {
			s.text(",")
		}
		s.text(`{"metric":`)
		s.labels(sr.Labels)
		if r.Type == "vector" && len(sr.Points) > 0 {
			s.text(`,"value":`)
			s.point(sr.Points[0])
		} else {
			s.text(`,"values":[`)
			for j, p := range sr.Points {
				if j > 0 {
					s.text(",")
				}
				s.point(p)
				s.more()
			}
			s.text("]")
		}
		s.text("}")
		s.more()
	}
	s.text("]")
}

// point writes [time, "value"].
func (s *stream) point(p mta.Point) {
	s.text("[")
	s.time(p.Time)
	s.text(`,"`)
	s.b = appendValue(s.b, p.Value)
	s.text(`"]`)
}

// time writes Unix seconds with three decimals, or none when they are zero.
func (s *stream) time(t time.Time) {
	ms := t.UnixMilli()
	if ms < 0 {
		s.text("-")
		ms = -ms
	}
	s.b = strconv.AppendInt(s.b, ms/1000, 10)
	if f := ms % 1000; f != 0 {
		s.b = append(s.b, '.', byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10))
	}
}

// appendValue writes a number as Prometheus does: without an exponent where
// that is readable.
func appendValue(b []byte, v float64) []byte {
	format := byte('f')
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, v, format, -1, 64)
}
