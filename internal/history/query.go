package history

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Query answers a PromQL expression for one moment. It gives ErrBadQuery for
// an invalid one, mta.ErrQueryRun for one that cannot be answered (too many
// samples, operands that do not match), context.DeadlineExceeded after
// Config.Timeout, and the store's own error otherwise. Four queries run at
// once; more wait for as long as ctx permits.
func (s *Store) Query(ctx context.Context, expr string, at time.Time) (mta.QueryResult, error) {
	return s.run(ctx, func(q storage.Queryable) (promql.Query, error) {
		return s.engine.NewInstantQuery(ctx, q, nil, expr, at)
	}, expr)
}

// QueryRange answers a PromQL expression for each step from start to end,
// both included. Errors are those of Query; so is a step that is not above
// zero, or an end before the start.
func (s *Store) QueryRange(ctx context.Context, expr string, start, end time.Time, step time.Duration) (mta.QueryResult, error) {
	switch {
	case step < time.Millisecond:
		return mta.QueryResult{}, fmt.Errorf("%w: the step must be a millisecond or more", ErrBadQuery)
	case end.Before(start):
		return mta.QueryResult{}, fmt.Errorf("%w: the end is before the start", ErrBadQuery)
	}
	return s.run(ctx, func(q storage.Queryable) (promql.Query, error) {
		return s.engine.NewRangeQuery(ctx, q, nil, expr, start, end, step)
	}, expr)
}

func (s *Store) run(ctx context.Context, prepare func(storage.Queryable) (promql.Query, error), expr string) (mta.QueryResult, error) {
	var out mta.QueryResult
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return out, fmt.Errorf("wait for other queries: %w", ctx.Err())
	}
	err := s.use(func(db *tsdb.DB) error {
		q, err := prepare(db)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrBadQuery, err)
		}
		defer q.Close()
		res := q.Exec(ctx)
		if res.Err != nil {
			return queryError(res.Err)
		}
		out = result(res.Value)
		w, i := res.Warnings.AsStrings(expr, 10, 10)
		out.Warnings = append(w, i...)
		return nil
	})
	return out, err
}

// queryError sorts the engine's errors by whose they are.
func queryError(err error) error {
	var (
		timeout  promql.ErrQueryTimeout
		canceled promql.ErrQueryCanceled
		store    promql.ErrStorage
	)
	switch {
	case errors.As(err, &timeout):
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	case errors.As(err, &canceled):
		return fmt.Errorf("%w: %w", context.Canceled, err)
	case errors.As(err, &store):
		return fmt.Errorf("read time series: %w", store.Err)
	}
	return fmt.Errorf("%w: %w", mta.ErrQueryRun, err)
}

// result copies what the engine will reuse.
func result(v parser.Value) mta.QueryResult {
	out := mta.QueryResult{Type: string(v.Type())}
	switch v := v.(type) {
	case promql.Vector:
		out.Series = make([]mta.SeriesData, 0, len(v))
		for _, p := range v {
			if p.H == nil { // we store no native histograms
				out.Series = append(out.Series, mta.SeriesData{Labels: p.Metric.Map(), Points: []mta.Point{point(p.T, p.F)}})
			}
		}
	case promql.Matrix:
		out.Series = make([]mta.SeriesData, 0, len(v))
		for _, r := range v {
			points := make([]mta.Point, len(r.Floats))
			for i, p := range r.Floats {
				points[i] = point(p.T, p.F)
			}
			out.Series = append(out.Series, mta.SeriesData{Labels: r.Metric.Map(), Points: points})
		}
	case promql.Scalar:
		out.Series = []mta.SeriesData{{Points: []mta.Point{point(v.T, v.V)}}}
	case promql.String:
		out.Text = v.V
		out.Series = []mta.SeriesData{{Points: []mta.Point{point(v.T, 0)}}}
	}
	return out
}

func point(ms int64, v float64) mta.Point { return mta.Point{Time: time.UnixMilli(ms), Value: v} }

// Series lists the series that match any of the selectors and have samples
// from start to end. A zero start or end is no bound.
func (s *Store) Series(ctx context.Context, matchers []string, start, end time.Time) ([]map[string]string, error) {
	sets, err := s.selectors(matchers)
	if err != nil {
		return nil, err
	}
	out := []map[string]string{}
	err = s.querier(start, end, func(q storage.Querier, from, to int64) error {
		hints := &storage.SelectHints{Start: from, End: to, Func: "series"} // "series" asks for no samples
		seen := map[string]bool{}
		for _, set := range sets {
			found := q.Select(ctx, true, hints, set...)
			for found.Next() {
				l := found.At().Labels()
				if key := l.String(); !seen[key] {
					seen[key] = true
					out = append(out, l.Map())
				}
			}
			if err := found.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// LabelNames lists the names of the labels of the matching series; of all
// series without matchers.
func (s *Store) LabelNames(ctx context.Context, matchers []string, start, end time.Time) ([]string, error) {
	return s.labels(matchers, start, end, func(q storage.Querier, m []*labels.Matcher) ([]string, error) {
		names, _, err := q.LabelNames(ctx, &storage.LabelHints{}, m...)
		return names, err
	})
}

// LabelValues lists the values of a label of the matching series; of all
// series without matchers.
func (s *Store) LabelValues(ctx context.Context, name string, matchers []string, start, end time.Time) ([]string, error) {
	if name == "" {
		return nil, fmt.Errorf("%w: the label has no name", ErrBadQuery)
	}
	return s.labels(matchers, start, end, func(q storage.Querier, m []*labels.Matcher) ([]string, error) {
		values, _, err := q.LabelValues(ctx, name, &storage.LabelHints{}, m...)
		return values, err
	})
}

func (s *Store) labels(matchers []string, start, end time.Time, ask func(storage.Querier, []*labels.Matcher) ([]string, error)) ([]string, error) {
	sets, err := s.selectors(matchers)
	if err != nil {
		return nil, err
	}
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	out := []string{}
	err = s.querier(start, end, func(q storage.Querier, _, _ int64) error {
		for _, set := range sets {
			got, err := ask(q, set)
			if err != nil {
				return err
			}
			for _, g := range got { // the strings may lie in mapped files
				out = append(out, strings.Clone(g))
			}
		}
		return nil
	})
	slices.Sort(out)
	return slices.Compact(out), err
}

// Select gives the raw points of the series with this name and these labels
// (and any others), from start to end, both included, sorted by labels. A
// zero start or end is no bound.
func (s *Store) Select(ctx context.Context, name string, want map[string]string, start, end time.Time) ([]mta.SeriesData, error) {
	ms := []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, nameLabel, name)}
	for n, v := range want {
		ms = append(ms, labels.MustNewMatcher(labels.MatchEqual, n, v))
	}
	var out []mta.SeriesData
	err := s.querier(start, end, func(q storage.Querier, from, to int64) error {
		found := q.Select(ctx, true, &storage.SelectHints{Start: from, End: to}, ms...)
		var it chunkenc.Iterator
		for found.Next() {
			sr := found.At()
			it = sr.Iterator(it)
			var points []mta.Point
			for it.Next() == chunkenc.ValFloat {
				if t, v := it.At(); !value.IsStaleNaN(v) { // the mark of a series that ended
					points = append(points, point(t, v))
				}
			}
			if err := it.Err(); err != nil {
				return err
			}
			if len(points) > 0 {
				out = append(out, mta.SeriesData{Labels: sr.Labels().Map(), Points: points})
			}
		}
		return found.Err()
	})
	return out, err
}

// Scan hands out the raw points of the series with this name and these labels
// (and any others) in (start, end], each series in order of time and none
// kept: open is called with the labels of each, and what it gives with each of
// its points, in Unix milliseconds. Nil leaves the series out.
func (s *Store) Scan(ctx context.Context, name string, want map[string]string, start, end time.Time, open func(labels map[string]string) func(ms int64, v float64)) error {
	ms := []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, nameLabel, name)}
	for n, v := range want {
		ms = append(ms, labels.MustNewMatcher(labels.MatchEqual, n, v))
	}
	return s.querier(start.Add(time.Millisecond), end, func(q storage.Querier, from, to int64) error {
		found := q.Select(ctx, true, &storage.SelectHints{Start: from, End: to}, ms...)
		var it chunkenc.Iterator
		for found.Next() {
			sr := found.At()
			take := open(sr.Labels().Map())
			if take == nil {
				continue
			}
			for it = sr.Iterator(it); it.Next() == chunkenc.ValFloat; {
				if t, v := it.At(); !value.IsStaleNaN(v) {
					take(t, v)
				}
			}
			if err := it.Err(); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		return found.Err()
	})
}

func (s *Store) selectors(matchers []string) ([][]*labels.Matcher, error) {
	var sets [][]*labels.Matcher
	for _, m := range matchers {
		set, err := s.parser.ParseMetricSelector(m)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBadQuery, err)
		}
		if !slices.ContainsFunc(set, func(m *labels.Matcher) bool { return !m.Matches("") }) {
			return nil, fmt.Errorf("%w: the selector %s takes everything; give a name or a label", ErrBadQuery, m)
		}
		sets = append(sets, set)
	}
	return sets, nil
}

func (s *Store) querier(start, end time.Time, fn func(q storage.Querier, from, to int64) error) error {
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if !start.IsZero() {
		from = start.UnixMilli()
	}
	if !end.IsZero() {
		to = end.UnixMilli()
	}
	return s.use(func(db *tsdb.DB) error {
		q, err := db.Querier(from, to)
		if err != nil {
			return fmt.Errorf("read time series: %w", err)
		}
		err = fn(q, from, to)
		return errors.Join(err, q.Close())
	})
}
