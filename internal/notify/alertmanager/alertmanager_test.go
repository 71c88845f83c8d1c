package alertmanager

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/notify"
)

var (
	since = time.Date(2026, 11, 2, 14, 0, 0, 0, time.UTC)
	now   = since.Add(10 * time.Minute)
)

func message(event string, change ...func(*notify.Message)) notify.Message {
	m := notify.Message{Event: event, Time: now, Host: "mx.example.org", URL: "http://127.0.0.1:9725/", Finding: mta.Finding{ID: "i", Code: "queue-growing",
		Severity: mta.SeverityWarning, Instance: "postfix", Title: "t", Cause: "c", Advice: []string{"do", "look"}, Since: since}}
	for _, f := range change {
		f(&m)
	}
	return m
}

func TestAlerts(t *testing.T) {
	labels := map[string]string{"alertname": "queue-growing", "severity": "warning", "instance": "postfix", "host": "mx.example.org"}
	worse := map[string]string{"alertname": "own-dns-dead", "severity": "critical", "instance": "postfix", "host": "mx.example.org", "subject": "192.0.2.53"}
	notes := map[string]string{"title": "t", "cause": "c", "advice": "do\nlook", "id": "i"}
	const url = "http://127.0.0.1:9725/"
	before := message("").Finding
	tests := []struct {
		name string
		m    notify.Message
		want []alert
	}{
		{"opened", message(notify.Opened), []alert{{labels, notes, since, time.Time{}, url}}},
		{"refreshed", message(notify.Refresh, func(m *notify.Message) { m.Before = &before }), []alert{{labels, notes, since, time.Time{}, url}}},
		{"became another", message(notify.Changed, func(m *notify.Message) {
			m.Before = &before
			m.Finding.Code, m.Finding.Severity, m.Finding.Subject = "own-dns-dead", mta.SeverityCritical, "192.0.2.53"
		}), []alert{{labels, notes, since, now, url}, {worse, notes, since, time.Time{}, url}}},
		{"resolved", message(notify.Resolved, func(m *notify.Message) { m.Before, m.Finding.End = &before, since.Add(9*time.Minute) }),
			[]alert{{labels, notes, since, since.Add(9 * time.Minute), url}}},
		{"resolved in no time", message(notify.Resolved, func(m *notify.Message) { m.Finding.End = since }),
			[]alert{{labels, notes, since.Add(-time.Second), since, url}}},
		{"resolved as another than told", message(notify.Resolved, func(m *notify.Message) {
			m.Before, m.Finding.End = &before, since.Add(9*time.Minute)
			m.Finding.Code, m.Finding.Severity, m.Finding.Subject = "own-dns-dead", mta.SeverityCritical, "192.0.2.53"
		}), []alert{{labels, notes, since, now, url}, {worse, notes, since, since.Add(9 * time.Minute), url}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, alerts(tt.m)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestSend(t *testing.T) {
	var path string
	var got []map[string]any
	code := 200
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &got); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		w.WriteHeader(code)
	}))
	defer srv.Close()
	send, _, err := New(Config{URL: srv.URL + "/prefix/"})
	if err != nil {
		t.Fatal(err)
	}
	if retry, err := send(t.Context(), message(notify.Opened)); err != nil || retry {
		t.Fatal(retry, err)
	}
	if path != "/prefix/api/v2/alerts" || len(got) != 1 || got[0]["startsAt"] != "2026-11-02T14:00:00Z" || got[0]["endsAt"] != nil {
		t.Errorf("posted %v to %s", got, path)
	}
	code = 400
	if retry, err := send(t.Context(), message(notify.Opened)); err == nil || retry {
		t.Errorf("status 400: retry %t, %v", retry, err)
	}
}
