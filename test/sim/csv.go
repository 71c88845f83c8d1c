package sim

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// WriteCSV writes all readings that are left of a host as `mtawatch judge`
// reads them: a header line timestamp,series,value; epoch seconds; the series
// in the notation of the Prometheus text format, quoted as CSV quotes;
// counters cumulative; the connections of single addresses as
// mtawatch_source_connections{ip="..."}.
func WriteCSV(w io.Writer, h *Host) error {
	b := bufio.NewWriterSize(w, 1<<20)
	keys := make(map[*mta.Series]string)
	var line []byte
	put := func(unix int64, key string, v float64) {
		line = strconv.AppendInt(line[:0], unix, 10)
		line = append(line, ',')
		line = append(line, key...)
		line = append(line, ',')
		line = strconv.AppendFloat(line, v, 'f', -1, 64)
		line = append(line, '\n')
		b.Write(line) // an error stays in b until Flush
	}
	b.WriteString("timestamp,series,value\n")
	for r := range h.Readings() {
		unix := r.Time.Unix()
		for _, s := range r.Samples {
			k, ok := keys[s.Series]
			if !ok {
				k = quote(s.Series.Key())
				keys[s.Series] = k
			}
			put(unix, k, s.Value)
		}
		for _, s := range r.Sources {
			put(unix, quote(`mtawatch_source_connections{ip="`+s.Address.String()+`"}`), float64(s.Count))
		}
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write series: %w", err)
	}
	return nil
}

// quote writes a field as CSV does (RFC 4180).
func quote(s string) string {
	if !strings.ContainsAny(s, "\",\n") {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}
