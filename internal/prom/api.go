package prom

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"time"
	"unicode/utf8"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Querier answers queries of the time-series store. Errors that match
// mta.ErrBadQuery, mta.ErrQueryRun, context.DeadlineExceeded and
// context.Canceled have their own status; any other is the store's. A zero
// start or end is no bound.
type Querier interface {
	Query(ctx context.Context, expr string, at time.Time) (mta.QueryResult, error)
	QueryRange(ctx context.Context, expr string, start, end time.Time, step time.Duration) (mta.QueryResult, error)
	Series(ctx context.Context, matchers []string, start, end time.Time) ([]map[string]string, error)
	LabelNames(ctx context.Context, matchers []string, start, end time.Time) ([]string, error)
	LabelValues(ctx context.Context, name string, matchers []string, start, end time.Time) ([]string, error)
}

// apiVersion is the version of the Prometheus API that buildinfo names: from
// it Grafana concludes what it may ask for.
const apiVersion = "3.0.0"

// API serves the Prometheus HTTP API over q. The time of a query that names
// none is now's.
func API(q Querier, now func() time.Time) http.Handler {
	mux := http.NewServeMux()
	Register(mux, q, now)
	return mux
}

// Register adds the paths of API to a mux that has others below /api/v1/
// too.
func Register(mux *http.ServeMux, q Querier, now func() time.Time) {
	a := &api{q: q, now: now}
	for path, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"/api/v1/query":            a.query,
		"/api/v1/query_range":      a.queryRange,
		"/api/v1/series":           a.series,
		"/api/v1/labels":           a.labelNames,
		"/api/v1/query_exemplars":  a.exemplars,
		"/api/v1/rules":            a.rules,
		"/api/v1/metadata":         a.metadata,
		"/api/v1/status/buildinfo": a.buildInfo,

		"/api/v1/label/{name}/values": a.labelValues,
	} {
		mux.HandleFunc("GET "+path, a.handler(h))
		mux.HandleFunc("POST "+path, a.handler(h))
	}
}

type api struct {
	q   Querier
	now func() time.Time
}

// handler reads the form, gives the request its deadline, and turns an error
// into the API's JSON.
func (a *api) handler(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		err := r.ParseForm()
		if err != nil {
			err = fmt.Errorf("%w: read form: %w", mta.ErrBadQuery, err)
		}
		if s := r.FormValue("timeout"); err == nil && s != "" {
			var d time.Duration
			if d, err = parseDuration(s); err != nil {
				err = badParam("timeout", err)
			} else {
				ctx, cancel := context.WithTimeout(r.Context(), d)
				defer cancel()
				r = r.WithContext(ctx)
			}
		}
		if err == nil {
			err = h(w, r)
		}
		if err != nil {
			fail(w, err)
		}
	}
}

// fail answers with an error. The handlers return one only before they have
// written anything.
func fail(w http.ResponseWriter, err error) {
	status, kind := http.StatusInternalServerError, "internal"
	switch {
	case errors.Is(err, mta.ErrBadQuery):
		status, kind = http.StatusBadRequest, "bad_data"
	case errors.Is(err, mta.ErrQueryRun):
		status, kind = http.StatusUnprocessableEntity, "execution"
	case errors.Is(err, context.DeadlineExceeded):
		status, kind = http.StatusServiceUnavailable, "timeout"
	case errors.Is(err, context.Canceled):
		status, kind = 499, "canceled" // Prometheus answers so; nobody is there to read it
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	s := &stream{w: w}
	s.text(`{"status":"error","errorType":"` + kind + `","error":`)
	s.string(err.Error())
	s.text("}\n")
	s.flush()
}

func (a *api) query(w http.ResponseWriter, r *http.Request) error {
	at, err := timeParam(r, "time", a.now())
	if err != nil {
		return err
	}
	return a.answer(w, r, func() (mta.QueryResult, error) { return a.q.Query(r.Context(), r.FormValue("query"), at) })
}

func (a *api) queryRange(w http.ResponseWriter, r *http.Request) error {
	sp, err := rangeParams(r)
	if err != nil {
		return err
	}
	return a.answer(w, r, func() (mta.QueryResult, error) {
		return a.q.QueryRange(r.Context(), r.FormValue("query"), sp.start, sp.end, sp.step)
	})
}

func (a *api) answer(w http.ResponseWriter, r *http.Request, ask func() (mta.QueryResult, error)) error {
	limit, err := limitParam(r)
	if err != nil {
		return err
	}
	res, err := ask()
	if err != nil {
		return err
	}
	if res.Type == "vector" || res.Type == "matrix" {
		res.Series, res.Warnings = cut(res.Series, limit, res.Warnings)
	}
	success(w, res.Warnings, func(s *stream) { s.result(res) })
	return nil
}

// cut keeps the first results and says so.
func cut[T any](list []T, limit int, warnings []string) ([]T, []string) {
	if limit == 0 || len(list) <= limit {
		return list, warnings
	}
	return list[:limit], append(warnings, fmt.Sprintf("only the first %d of %d results are shown, as the limit asks", limit, len(list)))
}

func (a *api) series(w http.ResponseWriter, r *http.Request) error {
	match, sp, limit, err := selectorParams(r)
	if err != nil {
		return err
	}
	if len(match) == 0 {
		return badParam("match[]", errors.New("give at least one"))
	}
	list, err := a.q.Series(r.Context(), match, sp.start, sp.end)
	if err != nil {
		return err
	}
	list, warnings := cut(list, limit, nil)
	success(w, warnings, func(s *stream) {
		s.text("[")
		for i, l := range list {
			if i > 0 {
				s.text(",")
			}
			s.labels(l)
			s.more()
		}
		s.text("]")
	})
	return nil
}

func (a *api) labelNames(w http.ResponseWriter, r *http.Request) error {
	match, sp, limit, err := selectorParams(r)
	if err != nil {
		return err
	}
	return list(w, limit, func() ([]string, error) { return a.q.LabelNames(r.Context(), match, sp.start, sp.end) })
}

func (a *api) labelValues(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if !utf8.ValidString(name) {
		return badParam("name", fmt.Errorf("%q is no label name", name))
	}
	match, sp, limit, err := selectorParams(r)
	if err != nil {
		return err
	}
	return list(w, limit, func() ([]string, error) { return a.q.LabelValues(r.Context(), name, match, sp.start, sp.end) })
}

func list(w http.ResponseWriter, limit int, ask func() ([]string, error)) error {
	got, err := ask()
	if err != nil {
		return err
	}
	got, warnings := cut(got, limit, nil)
	success(w, warnings, func(s *stream) { s.strings(got) })
	return nil
}

// exemplars answers that there are none: we keep no exemplars, and Grafana
// asks for them beside each graph.
func (a *api) exemplars(w http.ResponseWriter, _ *http.Request) error {
	success(w, nil, func(s *stream) { s.text("[]") })
	return nil
}

// rules answers that there are none: what is wrong is judged without them,
// and Grafana's list of alert rules asks every source.
func (a *api) rules(w http.ResponseWriter, _ *http.Request) error {
	success(w, nil, func(s *stream) { s.text(`{"groups":[]}`) })
	return nil
}

// metadata tells type and help of each metric, for Grafana's query editor.
func (a *api) metadata(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitParam(r)
	if err != nil {
		return err
	}
	table := metrics()
	if name := r.FormValue("metric"); name != "" {
		m, ok := find(table, name)
		table = []metric{m}
		if !ok {
			table = nil
		}
	}
	table, warnings := cut(table, limit, nil)
	success(w, warnings, func(s *stream) {
		s.text("{")
		for i, m := range table {
			if i > 0 {
				s.text(",")
			}
			s.string(m.name)
			s.text(`:[{"type":"` + m.kind + `","help":`)
			s.string(m.help)
			s.text(`,"unit":""}]`)
		}
		s.text("}")
	})
	return nil
}

func (a *api) buildInfo(w http.ResponseWriter, _ *http.Request) error {
	success(w, nil, func(s *stream) {
		s.text(`{"version":"` + apiVersion + `","revision":"","branch":"","buildUser":"","buildDate":"","goVersion":`)
		s.string(runtime.Version())
		s.text(`,"application":"mtawatch"}`)
	})
	return nil
}
