package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mtawatch/mtawatch/internal/access"
	"github.com/mtawatch/mtawatch/internal/api"
	"github.com/mtawatch/mtawatch/internal/feed"
	"github.com/mtawatch/mtawatch/internal/view"
)

func theChange() view.Change {
	return view.Change{Kind: "opened", Time: noon, Finding: theFinding()}
}

// TestEvents listens over a real server: what happens arrives whole, and at once.
func TestEvents(t *testing.T) {
	f := feed.New(feed.Config{Listeners: 1})
	srv := httptest.NewServer(access.Trusted(api.Handler(&source{}, api.Options{Version: testVersion, Feed: f, Interval: 10 * time.Second})))
	defer srv.Close()
	c := api.NewClient(srv.URL, 0)
	var got []view.Event
	change := theChange()
	began := time.Now()
	err := c.Events(t.Context(), func(e view.Event) bool {
		got = append(got, e)
		if e.Status != nil {
			f.Publish(view.Event{Change: &change})
			if err := c.Events(t.Context(), func(view.Event) bool { return true }); err == nil || !strings.Contains(err.Error(), "too many") {
				t.Errorf("a second listener: %v", err)
			}
		}
		return e.Change == nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the finding came after %s", took)
	}
	st := theStatus()
	same(t, got, []view.Event{{Hello: &view.Hello{Version: testVersion.Version, Role: view.RoleAdmin, Interval: 10 * time.Second}}, {Status: &st}, {Change: &change}})
	// The end of the daemon ends the stream.
	for f.Listeners() > 0 {
		time.Sleep(time.Millisecond)
	}
	err = c.Events(t.Context(), func(e view.Event) bool { f.Close(); return true })
	if err == nil || !strings.Contains(err.Error(), "cut") {
		t.Errorf("after the end: %v", err)
	}
}

func TestEventsHideLines(t *testing.T) {
	f := feed.New(feed.Config{})
	srv := httptest.NewServer(api.Handler(&source{}, api.Options{Feed: f, NoMessages: true}))
	defer srv.Close()
	change := theChange()
	err := api.NewClient(srv.URL, 0).Events(t.Context(), func(e view.Event) bool {
		if e.Status != nil {
			f.Publish(view.Event{Change: &change})
			e.Change = &view.Change{Finding: e.Status.Findings[0]}
		}
		if e.Change != nil && (e.Change.Finding.Evidence[0].Lines != nil || e.Change.Finding.Folded[0].Evidence[0].Lines != nil) {
			t.Errorf("log lines are shown: %+v", e.Change.Finding)
		}
		return e.Change == nil || e.Status != nil
	})
	if err != nil || change.Finding.Evidence[0].Lines == nil {
		t.Errorf("%v; the finding itself has lost its lines: %+v", err, change.Finding)
	}
}

// A quiet stream has a sign of life every 15 s, so that no proxy closes it.
func TestEventsHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := api.Handler(&source{}, api.Options{Feed: feed.New(feed.Config{})})
		ctx, cancel := context.WithTimeout(t.Context(), 46*time.Second)
		defer cancel()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, api.Prefix+"/events", nil))
		if n := strings.Count(w.Body.String(), ": still here\n"); n != 3 {
			t.Errorf("%d signs of life in 46 s: %s", n, w.Body)
		}
		if ct := w.Header().Get("Content-Type"); ct != "text/event-stream" || !strings.HasPrefix(w.Body.String(), "retry: 2000\n\nevent: hello\n") {
			t.Errorf("%s: %s", ct, w.Body)
		}
	})
}

// A stream ends soon after the session of its reader.
func TestEventsEndWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		h := api.Handler(&source{}, api.Options{Feed: feed.New(feed.Config{}), Still: func(access.Who) bool { return time.Since(began) < time.Minute }})
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, api.Prefix+"/events", nil))
		if d := time.Since(began); d != time.Minute {
			t.Errorf("it ended after %s", d)
		}
	})
}

// stuck is a reader who takes nothing any more.
type stuck struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (s *stuck) SetWriteDeadline(t time.Time) error { s.deadline = t; return nil }

func (s *stuck) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "opened") {
		time.Sleep(time.Until(s.deadline))
		return 0, context.DeadlineExceeded
	}
	return s.ResponseRecorder.Write(b)
}

// A reader who takes nothing is cut after ten seconds, and earlier when more
// happens than may wait for him; nobody else waits for him.
func TestEventsSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := feed.New(feed.Config{Waiting: 4})
		h := api.Handler(&source{}, api.Options{Feed: f})
		ended := make(chan time.Time, 1)
		began := time.Now()
		go func() {
			h.ServeHTTP(&stuck{ResponseRecorder: httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, api.Prefix+"/events", nil))
			ended <- time.Now()
		}()
		synctest.Wait()
		change := theChange()
		for range 10 {
			f.Publish(view.Event{Change: &change})
			synctest.Wait()
		}
		if f.Cut() != 1 || f.Listeners() != 0 {
			t.Errorf("cut %d, %d listen", f.Cut(), f.Listeners())
		}
		if d := (<-ended).Sub(began); d > 10*time.Second {
			t.Errorf("it ended after %s", d)
		}
	})
}

func TestNoEvents(t *testing.T) {
	srv := httptest.NewServer(api.Handler(&source{}, api.Options{}))
	defer srv.Close()
	err := api.NewClient(srv.URL, 0).Events(t.Context(), func(view.Event) bool { return true })
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}
