// Package alertmanager hands findings to one Prometheus Alertmanager. In
// comes a notify.Message; out goes a POST to /api/v2/alerts in the form of
// Alertmanager's API v2 (its api/v2/openapi.yaml, postableAlerts).
//
// Alertmanager knows an alert by its labels, and forgets one that is not sent
// again within its resolve_timeout (five minutes by default). So an open
// finding is sent again every minute, and when its code or severity changes,
// the alert under the old labels is ended together with the new one's begin.
package alertmanager

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/notify"
)

// Every is how often an open finding is sent again.
const Every = time.Minute

const path = "api/v2/alerts"

// Config sets up the channel. URL is that of one Alertmanager, such as
// http://127.0.0.1:9093, with its path prefix if it has one. Each of a
// cluster is a channel of its own: alerts must go to all of them.
type Config struct {
	URL string
}

// alert is postableAlert of the API.
type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt,omitzero"`
	EndsAt       time.Time         `json:"endsAt,omitzero"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// New makes the channel's Send. It starts nothing.
func New(cfg Config) (send func(context.Context, notify.Message) (bool, error), host string, err error) {
	p, err := notify.NewPoster(cfg.URL)
	if err != nil {
		return nil, "", err
	}
	return func(ctx context.Context, m notify.Message) (bool, error) {
		body, err := json.Marshal(alerts(m))
		if err != nil {
			return false, fmt.Errorf("write alert: %w", err)
		}
		return p.Post(ctx, path, body, nil)
	}, p.Host(), nil
}

// alerts gives the alert of a message, and the end of the one that had other labels.
func alerts(m notify.Message) []alert {
	now := one(m, m.Finding)
	if m.Before == nil {
		return []alert{now}
	}
	old := one(m, *m.Before)
	if maps.Equal(old.Labels, now.Labels) {
		return []alert{now}
	}
	old.EndsAt = m.Time
	return []alert{old, now}
}

func one(m notify.Message, f mta.Finding) alert {
	a := alert{StartsAt: f.Since, GeneratorURL: m.URL, Labels: map[string]string{"alertname": string(f.Code), "severity": f.Severity.String()}}
	// Alertmanager takes an empty label for an absent one, so none is sent.
	for k, v := range map[string]string{"instance": f.Instance, "host": m.Host, "subject": f.Subject} {
		if v = notify.Clean(v, 200); v != "" {
			a.Labels[k] = v
		}
	}
	a.Annotations = map[string]string{"title": notify.Clean(f.Title, 500), "cause": notify.Clean(f.Cause, 1000),
		"advice": strings.Join(f.Advice, "\n"), "id": f.ID}
	if m.Event == notify.Resolved || m.Event == notify.Test {
		a.EndsAt = f.End
		if a.EndsAt.IsZero() || a.EndsAt.After(m.Time) {
			a.EndsAt = m.Time
		}
		if !a.EndsAt.After(a.StartsAt) { // the API refuses an end that is not after the begin
			a.StartsAt = a.EndsAt.Add(-time.Second)
		}
	}
	return a
}
