package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/access"
	"github.com/mtawatch/mtawatch/internal/api"
	"github.com/mtawatch/mtawatch/internal/view"
)

// bounded is a source that checks what it is asked for.
type bounded struct {
	source
	t *testing.T
}

func (b *bounded) Chart(_ context.Context, q view.ChartQuery) (view.Charts, error) {
	if q.Span < 0 || q.Span > view.MaxChartSpan || (q.Sign == "") == (q.Series == "") || len(q.Series) > 1024 {
		b.t.Errorf("asked for %+v", q)
	}
	return view.Charts{}, nil
}

// FuzzRequest sends any request: each answer is complete or an error, and
// nothing is changed by who may not.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/chart", "sign=queues&range=14d&end=2026-11-23T12:00:00Z", "", "")
	f.Add("GET", "/chart", "series=mta_queue_messages%7Binstance%3D%22a%22%7D&range=99999d", "", "")
	f.Add("GET", "/chart", "sign=queues&series=x&range=-1h", "", "")
	f.Add("POST", "/silences", "", `{"code":"blocklisted","until":"2026-11-23T12:00:00Z"}`, "application/json")
	f.Add("POST", "/findings/f1/acknowledge", "", `{"note":"\u202e"}`, "application/json")
	f.Add("DELETE", "/findings//acknowledge", "", "", "")
	f.Add("DELETE", "/silences/../status", "", "", "")
	f.Fuzz(func(t *testing.T, method, path, query, body, kind string) {
		r, err := http.NewRequest(method, "http://127.0.0.1", strings.NewReader(body))
		if err != nil || strings.HasSuffix(path, "/trace") || strings.HasSuffix(path, "/events") {
			return
		}
		r.URL.Path, r.URL.RawQuery = api.Prefix+path, query
		r.Header["Content-Type"] = []string{kind}
		a := &actor{}
		h := api.Handler(&bounded{t: t}, api.Options{Actor: a, Timeout: time.Second})
		w := httptest.NewRecorder()
		access.New(access.Config{}).Handler(h).ServeHTTP(w, r)
		if a.asked != nil {
			t.Errorf("done without the token of a session: %+v", a.asked)
		}
		if w.Code >= 400 {
			var e struct{ Error string }
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Error == "" {
				t.Errorf("status %d: %q", w.Code, w.Body)
			}
		}
	})
}

// What is long comes compressed to who takes that.
func TestLongAnswersAreCompressed(t *testing.T) {
	srv := httptest.NewServer(api.Handler(&long{}, api.Options{}))
	defer srv.Close()
	got, err := api.NewClient(srv.URL, 0).Chart(t.Context(), view.ChartQuery{Series: "x"})
	if err != nil || len(got.Charts[0].Times) != 1500 {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		accept string
		packed bool
	}{{"gzip, deflate, br", true}, {"gzip;q=0", false}, {"identity", false}} {
		req, err := http.NewRequest(http.MethodGet, srv.URL+api.Prefix+"/chart?series=x", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", tt.accept)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if (res.Header.Get("Content-Encoding") == "gzip") != tt.packed {
			t.Errorf("%s: encoded as %q", tt.accept, res.Header.Get("Content-Encoding"))
		}
	}
}

// long gives a chart of many points.
type long struct{ source }

func (l *long) Chart(context.Context, view.ChartQuery) (view.Charts, error) {
	c := view.Chart{}
	for i := range 1500 {
		c.Times, c.Values = append(c.Times, 1795435200+int64(i)*900), append(c.Values, float64(i)*1.5)
	}
	c.Low, c.High = c.Values, c.Values
	return view.Charts{Charts: []view.Chart{c}}, nil
}
