package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/access"
	"github.com/mtawatch/mtawatch/internal/api"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// actor notes what it was asked for.
type actor struct{ asked any }

func (a *actor) Acknowledge(_ context.Context, q view.Acknowledge) (view.Acknowledged, error) {
	a.asked = q
	f := theFinding()
	f.Acknowledged = &mta.Acknowledgement{At: noon, By: q.By, Note: q.Note, Severity: mta.SeverityCritical}
	return view.Acknowledged{Finding: f, Before: &mta.Acknowledgement{At: noon, By: "bob"}}, nil
}

func (a *actor) Unacknowledge(_ context.Context, id string) error {
	a.asked = "no " + id
	if id == "none" {
		return fmt.Errorf("take %q back: %w among those there are", id, view.ErrNone)
	}
	return nil
}

func (a *actor) Silence(_ context.Context, s mta.Silence) (mta.Silence, error) {
	a.asked = s
	s.ID = "s1"
	return s, nil
}

func (a *actor) Unsilence(_ context.Context, id string) error { a.asked = "loud " + id; return nil }

func (a *actor) Silences(context.Context) (view.Silences, error) {
	return view.Silences{Time: noon, Silences: []mta.Silence{theSilence()}}, nil
}

func theSilence() mta.Silence {
	return mta.Silence{Code: mta.FindingBlocklisted, Instance: "postfix", Subject: "example.net", Until: noon.Add(time.Hour), Note: "they know", By: "ann"}
}

// door serves an actor behind a gate.
func door(t *testing.T, cfg access.Config) (string, *actor) {
	t.Helper()
	a, g := &actor{}, access.New(cfg)
	srv := httptest.NewServer(g.Handler(api.Handler(&source{}, api.Options{Actor: a, Session: g.Of, NoMessages: true})))
	t.Cleanup(srv.Close)
	return srv.URL, a
}

const tokenText = "a-token-of-twenty-bytes-and-more"

func TestActing(t *testing.T) {
	ctx := t.Context()
	url, a := door(t, access.Config{Tokens: []access.Token{{Name: "robot", Role: view.RoleAdmin, Value: tokenText}, {Name: "wall", Role: view.RoleViewer, Value: tokenText + "2"}}})
	open, b := door(t, access.Config{})
	c, o, viewer, nobody := api.NewClient(url, 0).WithToken(tokenText), api.NewClient(open, 0), api.NewClient(url, 0).WithToken(tokenText+"2"), api.NewClient(url, 0)
	f, err := c.Acknowledge(ctx, view.Acknowledge{ID: "f1", Note: "on it", By: "somebody else"})
	if err != nil || f.Acknowledged.By != "robot" || f.Evidence[0].Lines != nil {
		t.Errorf("acknowledge: %v, %+v", err, f)
	}
	same(t, a.asked, view.Acknowledge{ID: "f1", Note: "on it", By: "robot"})
	if _, err := o.Acknowledge(ctx, view.Acknowledge{ID: "f1", By: "ann"}); err != nil {
		t.Error(err)
	}
	same(t, b.asked, view.Acknowledge{ID: "f1", By: "ann"})
	if err := o.Unacknowledge(ctx, "f/1"); !errors.Is(err, errors.ErrUnsupported) && err == nil {
		t.Errorf("an ID of two parts: %v", err)
	}
	if err := o.Unacknowledge(ctx, "none"); !errors.Is(err, view.ErrNone) || strings.Count(err.Error(), view.ErrNone.Error()) != 1 || !strings.HasSuffix(err.Error(), " among those there are") {
		t.Errorf("none such: %v", err)
	}
	if err := o.Unacknowledge(ctx, "f1"); err != nil || b.asked != "no f1" {
		t.Errorf("%v, %v", err, b.asked)
	}
	s, err := o.Silence(ctx, theSilence())
	same(t, b.asked, theSilence())
	if err != nil || s.ID != "s1" {
		t.Errorf("silence: %v, %+v", err, s)
	}
	if err := o.Unsilence(ctx, "s1"); err != nil || b.asked != "loud s1" {
		t.Errorf("%v, %v", err, b.asked)
	}
	list, err := viewer.Silences(ctx)
	if err != nil || len(list.Silences) != 1 {
		t.Errorf("silences: %v, %+v", err, list)
	}
	a.asked = nil
	if _, err := viewer.Silence(ctx, theSilence()); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a viewer: %v", err)
	}
	if _, err := nobody.Silence(ctx, theSilence()); !errors.Is(err, fs.ErrPermission) || !strings.Contains(view.AdviceOf(err), "MTAWATCH_TOKEN") {
		t.Errorf("nobody: %v", err)
	}
	if a.asked != nil {
		t.Errorf("it was done: %+v", a.asked)
	}
}

func TestActingRefused(t *testing.T) {
	open, a := door(t, access.Config{})
	res, err := http.Get(open + api.Prefix + "/session")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var s access.Session
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	if s.User != nil || s.LoginRequired || s.Role != view.RoleAdmin || s.CSRF == "" {
		t.Errorf("session: %+v", s)
	}
	const ack, sil = "/findings/f1/acknowledge", "/silences"
	for _, tt := range []struct {
		name, method, path, body, kind, csrf, origin string
		code                                         int
	}{
		{"as it should be", "POST", ack, `{}`, "application/json", s.CSRF, open, 200},
		{"without the token", "POST", ack, `{}`, "application/json", "", open, 403},
		{"another's page", "POST", ack, `{}`, "application/json", s.CSRF, "https://example.org", 403},
		{"a form", "POST", ack, `note=x`, "application/x-www-form-urlencoded", s.CSRF, open, 400},
		{"text of another's form", "POST", ack, `{}`, "text/plain", s.CSRF, open, 400},
		{"a field too many", "POST", ack, `{"severity":"none"}`, "application/json", s.CSRF, open, 400},
		{"too long", "POST", ack, `{"note":"` + strings.Repeat("x", 20<<10) + `"}`, "application/json", s.CSRF, open, 400},
		{"not JSON", "POST", sil, `{`, "application/json", s.CSRF, open, 400},
		{"another method", "PUT", ack, `{}`, "application/json", s.CSRF, open, 405},
		{"reading it", "GET", ack, ``, "", s.CSRF, open, 405},
		{"ending all silences", "DELETE", sil, ``, "", s.CSRF, open, 405},
		{"a silence put", "POST", sil + "/s1", ``, "", s.CSRF, open, 405},
		{"another path", "POST", "/findings/f1", ``, "", s.CSRF, open, 404},
		{"ending a silence", "DELETE", sil + "/s1", ``, "", s.CSRF, "", 204},
	} {
		a.asked = nil
		req, err := http.NewRequest(tt.method, open+api.Prefix+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range map[string]string{"Content-Type": tt.kind, "X-CSRF-Token": tt.csrf, "Origin": tt.origin} {
			if v != "" {
				req.Header.Set(k, v)
			}
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != tt.code || (a.asked != nil) != (tt.code < 300) {
			t.Errorf("%s: status %d, done %v", tt.name, res.StatusCode, a.asked)
		}
	}
}
