package seriescsv

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// ErrOrder says that a row is older than the one before it. What was given
// so far is not whole: read again from the start, with Config.Sort.
var ErrOrder = errors.New("rows are not sorted by time")

// ErrTooMany says that there are more rows than may be held, or more series.
var ErrTooMany = errors.New("too many rows to sort, or too many series")

// Config sets up a Reader. Zero values: rows come sorted by time; where they
// are held, at most 100 million are.
type Config struct {
	Sort    bool
	MaxRows int64
}

// Counts is what became of the lines.
type Counts struct {
	Lines      int64    // all, blank ones and the header too
	Rows       int64    // that gave a value
	Absent     int64    // whose value is NaN or infinite
	Duplicates int64    // of a series and moment that had a value already; the last one holds
	Bad        int64    // that could not be read
	FirstBad   []BadRow // the first few of them
	Series     int      // that had a row, those of single addresses apart
}

// BadRow is one row that could not be read.
type BadRow struct {
	Line int64
	Why  string
}

const (
	keptBad    = 5
	maxLine    = 64 << 10 // bytes of a row with its line end
	tooLong    = "longer than 64 KiB"
	maxSources = 4096    // addresses of one moment that are handed on
	maxNames   = 500_000 // spellings of series that are remembered
)

// Reader makes readings of rows. One goroutine uses it.
type Reader struct {
	cfg     Config
	counts  Counts
	rest    []byte // the beginning of a line whose end is still to come
	cutting bool   // the rest of a line that is too long is dropped
	begun   bool   // the first line that is not blank has been seen

	stamp   []byte // the last row's, with its comma
	stampNS int64
	names   map[string]*name // by what stands in the row
	columns map[string]*column
	expect  *name // the series that came after the last row's the time before
	prev    *name

	now         int64 // nanoseconds since 1970 of the moment that is gathered
	any         bool  // it has a row
	round       int64
	samples     []mta.Sample
	sources     []mta.SourceCount
	sourcesSeen bool
	order       []*column // those that hold rows, with Config.Sort
	held        int64
}

// name is one spelling of a series.
type name struct {
	raw  string // as it stands in the row, with quotes and the comma after it
	col  *column
	next *name
}

// column is one series, or the connections of one address.
type column struct {
	series *mta.Series // nil: an address
	addr   netip.Addr
	port   uint16
	round  int64 // when it had a value last
	at     int   // where in the reading
	times  []int64
	values []float64
}

// New makes a Reader that has read nothing.
func New(cfg Config) *Reader {
	if cfg.MaxRows <= 0 {
		cfg.MaxRows = 100_000_000
	}
	return &Reader{cfg: cfg, names: make(map[string]*name), columns: make(map[string]*column)}
}

// Counts tells what became of the lines so far.
func (r *Reader) Counts() Counts {
	c := r.counts
	c.FirstBad = append([]BadRow(nil), c.FirstBad...)
	return c
}

// Feed reads the next part of the text; it may end anywhere. Each moment that
// is complete is given to yield, which must not keep the slices of the
// Reading; the Series pointers stay the same. An error of yield ends the reading.
func (r *Reader) Feed(chunk []byte, yield func(mta.Reading) error) error {
	if len(r.rest) > 0 || r.cutting {
		end := bytes.IndexByte(chunk, '\n')
		if end < 0 {
			r.keep(chunk)
			return nil
		}
		if !r.cutting {
			r.keep(chunk[:end+1])
		}
		chunk = chunk[end+1:]
		line := r.rest
		r.rest = r.rest[:0]
		if r.cutting {
			r.cutting = false
			r.counts.Lines++
			r.bad(tooLong)
		} else if err := r.lines(line, yield); err != nil {
			return err
		}
	}
	end := bytes.LastIndexByte(chunk, '\n') + 1
	if err := r.lines(chunk[:end], yield); err != nil {
		return err
	}
	r.keep(chunk[end:])
	return nil
}

// keep puts the beginning of a line aside.
func (r *Reader) keep(b []byte) {
	switch {
	case r.cutting:
	case len(r.rest)+len(b) > maxLine:
		r.rest, r.cutting = r.rest[:0], true
	default:
		r.rest = append(r.rest, b...)
	}
}

// End reads the last line, where it has no line end, and gives what is left.
func (r *Reader) End(yield func(mta.Reading) error) error {
	if r.cutting {
		r.cutting = false
		r.counts.Lines++
		r.bad(tooLong)
	}
	if len(r.rest) > 0 {
		line := append(r.rest, '\n')
		r.rest = nil
		if err := r.lines(line, yield); err != nil {
			return err
		}
	}
	if r.cfg.Sort {
		return r.merge(yield)
	}
	return r.complete(yield)
}

// lines reads whole lines. What usually comes costs three comparisons: the stamp of
// the row before, and the series that came next the time before.
func (r *Reader) lines(b []byte, yield func(mta.Reading) error) error {
	for len(b) > 0 {
		r.counts.Lines++
		ns, rest, ok := r.stampNS, b, false
		if n := len(r.stamp); n > 0 && len(b) > n && string(b[:n]) == string(r.stamp) {
			rest, ok = b[n:], true
		} else if s, n := quickStamp(b); n > 0 {
			r.stamp, r.stampNS = append(r.stamp[:0], b[:n]...), s
			ns, rest, ok = s, b[n:], true
		}
		if e := r.expect; ok && e != nil && len(rest) > len(e.raw) && string(rest[:len(e.raw)]) == e.raw {
			if v, n := quickValue(rest[len(e.raw):]); n > 0 {
				b = rest[len(e.raw)+n:]
				r.prev, r.expect = e, e.next
				if err := r.put(ns, e.col, v, yield); err != nil {
					return err
				}
				continue
			}
		}
		end := bytes.IndexByte(b, '\n')
		if err := r.line(b[:end], yield); err != nil {
			return err
		}
		b = b[end+1:]
	}
	return nil
}

// put takes one good row.
func (r *Reader) put(ns int64, c *column, v float64, yield func(mta.Reading) error) error {
	r.counts.Rows++
	if r.cfg.Sort {
		return r.hold(ns, c, v)
	}
	if ns != r.now || !r.any {
		if ns < r.now && r.any {
			return fmt.Errorf("line %d: %w", r.counts.Lines, ErrOrder)
		}
		if err := r.complete(yield); err != nil {
			return err
		}
		r.now, r.any = ns, true
	}
	r.add(c, v)
	return nil
}

// add puts a value into the reading that is gathered.
func (r *Reader) add(c *column, v float64) {
	again := c.round == r.round+1
	switch {
	case again && c.series == nil:
		r.sources[c.at].Count = connections(v)
	case again:
		r.samples[c.at].Value = v
	case c.series == nil:
		c.at, r.sourcesSeen = len(r.sources), true
		r.sources = append(r.sources, mta.SourceCount{Address: c.addr, Port: c.port, Count: connections(v)})
	default:
		c.at = len(r.samples)
		r.samples = append(r.samples, mta.Sample{Series: c.series, Value: v})
	}
	if again {
		r.counts.Duplicates++
	}
	c.round = r.round + 1
}
