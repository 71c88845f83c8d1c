package prom

import (
	"cmp"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// TextType is the content type of what Write writes.
const TextType = "text/plain; version=0.0.4; charset=utf-8"

// Write writes samples in the Prometheus text format 0.0.4, the families
// sorted by name, each with its HELP and TYPE. Within a family the samples
// keep their order; those of a histogram come with the names _bucket (label
// "le"), _sum and _count.
// For families outside the vocabulary the help functions are asked, the
// first text counts.
// See https://prometheus.io/docs/instrumenting/exposition_formats/
func Write(w io.Writer, samples []mta.Sample, help ...func(family string) string) error {
	table := metrics()
	rows := families(samples, table)
	var b []byte
	last := ""
	for _, r := range rows {
		if r.family != last {
			last = r.family
			b = appendHeader(b, table, r, help)
		}
		b = appendSample(b, r.sample)
		if len(b) >= 32<<10 {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}

// row is a sample with the name of its family, which differs from its own
// for the parts of a histogram.
type row struct {
	family    string
	histogram bool
	sample    mta.Sample
}

func families(samples []mta.Sample, table []metric) []row {
	histograms := map[string]bool{}
	for _, m := range table {
		if m.kind == "histogram" {
			histograms[m.name] = true
		}
	}
	for _, s := range samples { // those outside the vocabulary show by their buckets
		if b, ok := strings.CutSuffix(s.Series.Name, "_bucket"); ok && hasLabel(s.Series, "le") {
			histograms[b] = true
		}
	}
	rows := make([]row, len(samples))
	for i, s := range samples {
		r := row{family: s.Series.Name, sample: s}
		if b := base(r.family); b != r.family && histograms[b] {
			r.family, r.histogram = b, true
		}
		rows[i] = r
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.family, b.family) })
	return rows
}

func hasLabel(s *mta.Series, name string) bool {
	return slices.ContainsFunc(s.Labels, func(l mta.Label) bool { return l.Name == name })
}

func appendHeader(b []byte, table []metric, r row, help []func(string) string) []byte {
	kind := "gauge"
	switch {
	case r.histogram:
		kind = "histogram"
	case r.sample.Series.Counter:
		kind = "counter"
	}
	text := ""
	if m, ok := find(table, r.family); ok {
		kind, text = m.kind, m.help
	}
	for i := 0; i < len(help) && text == ""; i++ {
		text = help[i](r.family)
	}
	if text != "" {
		b = append(b, "# HELP "...)
		b = append(b, r.family...)
		b = append(b, ' ')
		b = appendEscaped(b, text, false)
		b = append(b, '\n')
	}
	b = append(b, "# TYPE "...)
	b = append(b, r.family...)
	b = append(b, ' ')
	b = append(b, kind...)
	return append(b, '\n')
}

func appendSample(b []byte, s mta.Sample) []byte {
	b = append(b, s.Series.Name...)
	for i, l := range s.Series.Labels {
		b = append(b, "{,"[min(i, 1)])
		b = append(b, l.Name...)
		b = append(b, '=', '"')
		b = appendEscaped(b, strings.ToValidUTF8(l.Value, "\ufffd"), true)
		b = append(b, '"')
	}
	if len(s.Series.Labels) > 0 {
		b = append(b, '}')
	}
	b = append(b, ' ')
	b = strconv.AppendFloat(b, s.Value, 'g', -1, 64) // NaN, +Inf and -Inf as the format wants them
	return append(b, '\n')
}

func appendEscaped(b []byte, s string, quote bool) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			b = append(b, `\\`...)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '"' && quote:
			b = append(b, `\"`...)
		default:
			b = append(b, c)
		}
	}
	return b
}

// Metrics serves what latest gives, for Prometheus to scrape. The help
// functions are those of Write.
func Metrics(latest func() []mta.Sample, help ...func(family string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", TextType)
		_ = Write(w, latest(), help...) // the scraper has gone; nothing is left to tell it
	})
}
