package app_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/history"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/prom"
)

var _ prom.Querier = (*history.Store)(nil)

// filledStore gives a real store with ten minutes of a counter.
func filledStore(t *testing.T, noon time.Time) *history.Store {
	t.Helper()
	s, err := history.Open(t.TempDir(), history.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	sent := &mta.Series{Name: "mta_delivery_attempts_total", Labels: []mta.Label{{Name: "instance", Value: "postfix"}, {Name: "status", Value: "sent"}}, Counter: true}
	for i := range 60 {
		if err := s.Append(mta.Tick{Time: noon.Add(time.Duration(i) * 10 * time.Second), Samples: []mta.Sample{{Series: sent, Value: float64(20 * i)}}}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// The requests that Grafana sends for a dashboard, over the real store.
func TestPrometheusOverStore(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s := filledStore(t, noon)
	srv := httptest.NewServer(prom.API(s, func() time.Time { return noon.Add(590 * time.Second) }))
	defer srv.Close()
	for _, tt := range []struct {
		name, path string
		form       url.Values
		status     int
		want       string
	}{
		{"instant", "/api/v1/query", url.Values{"query": {`sum by (status) (rate(mta_delivery_attempts_total[1m]))`}}, 200,
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"status":"sent"},"value":[1795435790,"2"]}]}}`},
		{"range", "/api/v1/query_range", url.Values{"query": {`mta_delivery_attempts_total`}, "start": {"1795435200"}, "end": {"1795435215"}, "step": {"15"}}, 200,
			`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"mta_delivery_attempts_total","instance":"postfix","status":"sent"},"values":[[1795435200,"0"],[1795435215,"20"]]}]}}`},
		{"syntax", "/api/v1/query", url.Values{"query": {`sum(`}}, 400, ""},
		{"no query", "/api/v1/query", nil, 400, ""},
		{"matching", "/api/v1/query", url.Values{"query": {`label_replace(mta_delivery_attempts_total, "status", "x", "instance", "(")`}}, 422, ""},
		{"names", "/api/v1/label/__name__/values", nil, 200, `{"status":"success","data":["mta_delivery_attempts_total"]}`},
		{"labels", "/api/v1/labels", url.Values{"match[]": {"mta_delivery_attempts_total"}}, 200, `{"status":"success","data":["__name__","instance","status"]}`},
		{"series", "/api/v1/series", url.Values{"match[]": {`{status="sent"}`}}, 200,
			`{"status":"success","data":[{"__name__":"mta_delivery_attempts_total","instance":"postfix","status":"sent"}]}`},
		{"selector", "/api/v1/series", url.Values{"match[]": {`{}`}}, 400, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := http.Get(srv.URL + tt.path + "?" + tt.form.Encode())
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var got any
			if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status {
				t.Errorf("status %d: %v", resp.StatusCode, got)
			}
			if tt.want == "" {
				return
			}
			var want any
			if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("(-got +want)\n%s", diff)
			}
		})
	}
}

// Every series that the belt makes has its words in the table of metrics, so
// that neither /metrics nor Grafana shows one without help.
func TestMetricsHaveHelp(t *testing.T) {
	now := time.Now()
	in := mta.Instance{MTA: "postfix", Name: "postfix", Queues: []string{"deferred"}, Listen: []mta.Listen{{Port: 25}}}
	belt := pipeline.New(pipeline.Config{Interval: 10 * time.Second, Location: time.UTC, Adapters: all.Adapters()})
	belt.SetInstances([]mta.Instance{in})
	belt.SetQueue(mta.Queue{Time: now, Instance: in.Name, Queues: []mta.QueueCount{{Name: "deferred", Messages: 1, Bytes: 9, Oldest: now}}}, time.Minute)
	belt.SetDisk(in.Name, mta.Disk{Time: now, Free: 1, Size: 2, FreeInodes: 3, Inodes: 4})
	belt.SetProbe(mta.Probe{Name: "dns", OK: true})
	belt.SetConnections(mta.Connections{Time: now, Ports: []mta.PortTable{{Port: 25, Listening: true, AcceptLimit: 100}}})
	belt.SetProcesses(now, map[string][]mta.RoleProcess{in.Name: {{Process: mta.Process{PID: 1, Start: now}, Role: mta.RoleSMTPServer, Instance: in.Name}}}, "")
	seen := map[string]bool{}
	for _, s := range belt.Metrics(now) {
		seen[s.Series.Name] = true
		if prom.Help(s.Series.Name) == "" {
			t.Errorf("%s has no help text", s.Series.Name)
		}
	}
	for _, name := range []string{"mta_disk_free_inodes", "mtawatch_probe_up", "mta_accept_queue_limit", "mta_smtp_server_oldest_age_seconds", "mta_queue_bytes"} {
		if !seen[name] {
			t.Errorf("no %s among the series", name)
		}
	}
}
