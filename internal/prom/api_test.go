package prom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// answers is a Querier that gives set answers and keeps what it was asked.
type answers struct {
	result mta.QueryResult
	series []map[string]string
	list   []string
	err    error
	asked  string
	wait   bool // for the end of the context
}

func (a *answers) ask(ctx context.Context, parts ...any) error {
	for i, p := range parts {
		if t, ok := p.(time.Time); ok {
			parts[i] = "-"
			if !t.IsZero() {
				parts[i] = t.UTC().Format(time.RFC3339Nano)
			}
		}
	}
	a.asked = strings.TrimSuffix(fmt.Sprintln(parts...), "\n")
	if a.wait {
		<-ctx.Done()
		return ctx.Err()
	}
	return a.err
}

func (a *answers) Query(ctx context.Context, expr string, at time.Time) (mta.QueryResult, error) {
	return a.result, a.ask(ctx, expr, at)
}

func (a *answers) QueryRange(ctx context.Context, expr string, start, end time.Time, step time.Duration) (mta.QueryResult, error) {
	return a.result, a.ask(ctx, expr, start, end, step)
}

func (a *answers) Series(ctx context.Context, m []string, start, end time.Time) ([]map[string]string, error) {
	return a.series, a.ask(ctx, m, start, end)
}

func (a *answers) LabelNames(ctx context.Context, m []string, start, end time.Time) ([]string, error) {
	return a.list, a.ask(ctx, m, start, end)
}

func (a *answers) LabelValues(ctx context.Context, name string, m []string, start, end time.Time) ([]string, error) {
	return a.list, a.ask(ctx, name, m, start, end)
}

func points(v ...float64) []mta.Point {
	out := make([]mta.Point, len(v))
	for i := range v {
		out[i] = mta.Point{Time: time.UnixMilli(1795435200000 + int64(i)*250), Value: v[i]}
	}
	return out
}

type apiCase struct {
	name   string
	target string
	q      answers
	status int
	body   string
	asked  string
}

func apiCases() []apiCase {
	labels := map[string]string{"__name__": "m", "b": "2\"<\x01\u2028é", "a": "1"}
	const labelJSON = `{"__name__":"m","a":"1","b":"2\"<\u0001\u2028é"}`
	return []apiCase{
		{"vector", "/api/v1/query?query=up&time=1795435200.5",
			answers{result: mta.QueryResult{Type: "vector", Series: []mta.SeriesData{{Labels: labels, Points: points(1.5)}, {Points: points(math.NaN())}}}}, 200,
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":` + labelJSON + `,"value":[1795435200,"1.5"]},{"metric":{},"value":[1795435200,"NaN"]}]}}`,
			"up 2026-11-23T12:00:00.5Z"},
		{"empty vector", "/api/v1/query?query=up", answers{result: mta.QueryResult{Type: "vector"}}, 200,
			`{"status":"success","data":{"resultType":"vector","result":[]}}`, "up 2026-11-23T13:00:00Z"},
		{"matrix", "/api/v1/query_range?query=up&start=2026-11-23T12:00:00Z&end=1795435260&step=15s",
			answers{result: mta.QueryResult{Type: "matrix", Series: []mta.SeriesData{{Labels: labels, Points: points(1e21, -1e-7, math.Inf(1), math.Inf(-1), 12345678901, 0)}}}}, 200,
			`{"status":"success","data":{"resultType":"matrix","result":[{"metric":` + labelJSON + `,"values":[[1795435200,"1e+21"],[1795435200.250,"-1e-07"],` +
				`[1795435200.500,"+Inf"],[1795435200.750,"-Inf"],[1795435201,"12345678901"],[1795435201.250,"0"]]}]}}`,
			"up 2026-11-23T12:00:00Z 2026-11-23T12:01:00Z 15s"},
		{"scalar", "/api/v1/query?query=1", answers{result: mta.QueryResult{Type: "scalar", Series: []mta.SeriesData{{Points: points(1)}}}}, 200,
			`{"status":"success","data":{"resultType":"scalar","result":[1795435200,"1"]}}`, "1 2026-11-23T13:00:00Z"},
		{"string", "/api/v1/query?query=x", answers{result: mta.QueryResult{Type: "string", Text: "a\"b", Series: []mta.SeriesData{{Points: points(0)}}}}, 200,
			`{"status":"success","data":{"resultType":"string","result":[1795435200,"a\"b"]}}`, "x 2026-11-23T13:00:00Z"},
		{"warnings and limit", "/api/v1/query?query=up&limit=1",
			answers{result: mta.QueryResult{Type: "vector", Series: []mta.SeriesData{{Points: points(1)}, {Points: points(2)}},
				Warnings: []string{"PromQL info: i", "PromQL warning: w"}}}, 200,
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1795435200,"1"]}]},` +
				`"warnings":["PromQL warning: w","only the first 1 of 2 results are shown, as the limit asks"],"infos":["PromQL info: i"]}`, "up 2026-11-23T13:00:00Z"},
		{"series", "/api/v1/series?match[]=up&match[]={a=%221%22}&start=1795435200", answers{series: []map[string]string{labels, {"__name__": "n"}}}, 200,
			`{"status":"success","data":[` + labelJSON + `,{"__name__":"n"}]}`, `[up {a="1"}] 2026-11-23T12:00:00Z -`},
		{"labels", "/api/v1/labels", answers{list: []string{"__name__", "queue"}}, 200, `{"status":"success","data":["__name__","queue"]}`, "[] - -"},
		{"no labels", "/api/v1/labels", answers{}, 200, `{"status":"success","data":[]}`, "[] - -"},
		{"label values", "/api/v1/label/queue/values?match[]=up", answers{list: []string{"a", "b", "c"}}, 200,
			`{"status":"success","data":["a","b","c"]}`, "queue [up] - -"},
		{"exemplars", "/api/v1/query_exemplars?query=up", answers{}, 200, `{"status":"success","data":[]}`, ""},
		{"rules", "/api/v1/rules?type=alert", answers{}, 200, `{"status":"success","data":{"groups":[]}}`, ""},
		{"metadata", "/api/v1/metadata?metric=mta_queue_messages", answers{}, 200,
			`{"status":"success","data":{"mta_queue_messages":[{"type":"gauge","help":"Messages in a queue.","unit":""}]}}`, ""},
		{"metadata unknown", "/api/v1/metadata?metric=x", answers{}, 200, `{"status":"success","data":{}}`, ""},
	}
}

func errorCases() []apiCase {
	failing := func(err error) answers { return answers{err: fmt.Errorf("outer: %w", err)} }
	bad := func(text string) string {
		return `{"status":"error","errorType":"bad_data","error":"bad query: ` + text + `"}`
	}
	return []apiCase{
		{"bad query", "/api/v1/query?query=sum(", failing(mta.ErrBadQuery), 400, `{"status":"error","errorType":"bad_data","error":"outer: bad query"}`, "sum( 2026-11-23T13:00:00Z"},
		{"execution", "/api/v1/query?query=x", failing(mta.ErrQueryRun), 422, `{"status":"error","errorType":"execution","error":"outer: query cannot be answered"}`, "x 2026-11-23T13:00:00Z"},
		{"store", "/api/v1/query?query=x", failing(errors.New("disk \"gone\"")), 500, `{"status":"error","errorType":"internal","error":"outer: disk \"gone\""}`, "x 2026-11-23T13:00:00Z"},
		{"timeout", "/api/v1/query?query=x&timeout=1ms", answers{wait: true}, 503, `{"status":"error","errorType":"timeout","error":"context deadline exceeded"}`, "x 2026-11-23T13:00:00Z"},
		{"time", "/api/v1/query?query=x&time=noon", answers{}, 400, bad(`parameter \"time\": \"noon\" is not a time: give Unix seconds or RFC 3339`), ""},
		{"timeout value", "/api/v1/query?query=x&timeout=soon", answers{}, 400, bad(`parameter \"timeout\": \"soon\" is not a duration: give seconds, or as in 1h30m`), ""},
		{"no start", "/api/v1/query_range?query=x&end=1&step=1", answers{}, 400, bad(`parameter \"start\": \"\" is not a time: give Unix seconds or RFC 3339`), ""},
		{"end first", "/api/v1/query_range?query=x&start=2&end=1&step=1", answers{}, 400, bad(`parameter \"end\": it is before the start`), ""},
		{"no step", "/api/v1/query_range?query=x&start=1&end=2", answers{}, 400, bad(`parameter \"step\": it is empty`), ""},
		{"zero step", "/api/v1/query_range?query=x&start=1&end=2&step=0", answers{}, 400, bad(`parameter \"step\": it must be a millisecond or more`), ""},
		{"most points", "/api/v1/query_range?query=x&start=0&end=11000&step=1", answers{result: mta.QueryResult{Type: "matrix"}}, 200,
			`{"status":"success","data":{"resultType":"matrix","result":[]}}`, "x 1970-01-01T00:00:00Z 1970-01-01T03:03:20Z 1s"},
		{"too many points", "/api/v1/query_range?query=x&start=0&end=11001&step=1", answers{}, 400,
			bad(`parameter \"step\": that makes more than 11000 points a series; give a larger step or a shorter range`), ""},
		{"no match", "/api/v1/series", answers{}, 400, bad(`parameter \"match[]\": give at least one`), ""},
		{"limit", "/api/v1/labels?limit=-1", answers{}, 400, bad(`parameter \"limit\": \"-1\" is not a number of results`), ""},
		{"form", "/api/v1/query?query=%zz", answers{}, 400, bad(`read form: invalid URL escape \"%zz\"`), ""},
	}
}

func testAPI(q Querier) http.Handler {
	return API(q, func() time.Time { return time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC) })
}

func TestAPI(t *testing.T) {
	for _, tt := range append(apiCases(), errorCases()...) {
		t.Run(tt.name, func(t *testing.T) {
			get := httptest.NewRequest(http.MethodGet, tt.target, nil)
			path, query, _ := strings.Cut(tt.target, "?")
			post := httptest.NewRequest(http.MethodPost, path, strings.NewReader(query))
			post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for _, r := range []*http.Request{get, post} {
				q := tt.q
				w := httptest.NewRecorder()
				testAPI(&q).ServeHTTP(w, r)
				if got := strings.TrimSuffix(w.Body.String(), "\n"); w.Code != tt.status || got != tt.body {
					t.Errorf("%s: status %d\ngot  %s\nwant %s", r.Method, w.Code, got, tt.body)
				}
				if q.asked != tt.asked {
					t.Errorf("%s: asked %q, want %q", r.Method, q.asked, tt.asked)
				}
				if !json.Valid(w.Body.Bytes()) || w.Header().Get("Content-Type") != "application/json" {
					t.Errorf("%s: no JSON, type %q", r.Method, w.Header().Get("Content-Type"))
				}
			}
		})
	}
}

func TestAPIOther(t *testing.T) {
	for _, tt := range []struct {
		name, method, target, body string
		status                     int
	}{
		{"unknown path", http.MethodGet, "/api/v1/nothing", "", 404},
		{"method", http.MethodDelete, "/api/v1/query", "", 405},
		{"huge body", http.MethodPost, "/api/v1/query", "query=" + strings.Repeat("x", maxForm), 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.target, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			testAPI(&answers{}).ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d: %s", w.Code, tt.status, w.Body)
			}
		})
	}
}

func TestAPICancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	testAPI(&answers{wait: true}).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/query?query=x", nil))
	if w.Code != 499 {
		t.Errorf("status %d", w.Code)
	}
}

func TestBuildInfo(t *testing.T) {
	w := httptest.NewRecorder()
	testAPI(&answers{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/status/buildinfo", nil))
	var got struct {
		Status string
		Data   struct{ Version, GoVersion, Application string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Status != "success" || got.Data.Version != apiVersion || !strings.HasPrefix(got.Data.GoVersion, "go1.") || got.Data.Application != "mtawatch" {
		t.Errorf("got %+v", got)
	}
}

// A long answer is sent in pieces and is whole JSON.
func TestLargeMatrix(t *testing.T) {
	var r mta.QueryResult
	r.Type = "matrix"
	for i := range 20 {
		r.Series = append(r.Series, mta.SeriesData{Labels: map[string]string{"i": fmt.Sprint(i)}, Points: points(make([]float64, 11_001)...)})
	}
	w := httptest.NewRecorder()
	target := "/api/v1/query_range?" + url.Values{"query": {"x"}, "start": {"0"}, "end": {"1"}, "step": {"1"}}.Encode()
	testAPI(&answers{result: r}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	var got struct {
		Data struct{ Result []struct{ Values [][2]any } }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Data.Result) != 20 || len(got.Data.Result[19].Values) != 11_001 {
		t.Errorf("%d series", len(got.Data.Result))
	}
}
