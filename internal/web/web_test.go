package web_test

import (
	"compress/gzip"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
	"github.com/mtawatch/mtawatch/internal/web"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{.}}\x1b]0;x\a\u202e</title></textarea>"

// source answers with an incident in which all text is hostile.
type source struct {
	view.Source
	err  error
	calm bool
}

func number(n int64) *int64 { return &n }

func finding(id string) mta.Finding {
	v, low, high := 4120.0, 180.0, 650.0
	return mta.Finding{ID: id, Code: mta.FindingQueueGrowing, Title: "4120 messages wait " + hostile, Severity: mta.SeverityCritical, Instance: hostile, Since: noon.Add(-time.Hour), Noticed: noon,
		Cause: "It times out. " + hostile, Evidence: []mta.Evidence{{Text: hostile, Value: &v, Low: &low, High: &high, Lines: []string{"to=<b@example.net> " + hostile}}},
		RuledOut: []string{hostile}, Advice: []string{"see `mtawatch queue <b>` " + hostile, "a ` alone"}, Avoid: []string{"do not flush " + hostile}, Folded: []mta.Finding{{Title: "folded " + hostile, Since: noon}}}
}

func (s *source) Status(context.Context) (view.Status, error) {
	if s.calm {
		return view.Status{Time: noon, Verdict: view.VerdictOK, Judged: true, Learned: 14 * 24 * time.Hour, Daemon: &view.Daemon{}, Instances: []view.InstanceStatus{{
			Instance: mta.Instance{Name: "postfix", Running: true},
			Queue:    view.QueueStatus{Messages: number(0)}, Failures: view.FailureStatus{Attempts: map[string]int64{"sent": 7}, Window: time.Hour},
			Connections: view.ConnectionStatus{Ports: []view.PortRow{{Port: 25, Listening: true}}}, Processes: view.ProcessStatus{Roles: map[string]int{"dispatcher": 1}}}}}, s.err
	}
	known, quiet := finding("known"), finding("quiet")
	known.Acknowledged = &mta.Acknowledgement{At: noon, By: "ann" + hostile, Note: "on it " + hostile}
	quiet.SilencedUntil = noon.Add(time.Hour)
	return view.Status{Time: noon, Verdict: view.VerdictCritical, Findings: []mta.Finding{finding("f1"), known, quiet}, Judged: true, Daemon: &view.Daemon{}, Practice: hostile,
		Instances: []view.InstanceStatus{{Instance: mta.Instance{Name: hostile, Version: hostile},
			Queue:     view.QueueStatus{Messages: number(4120), Normal: &view.Range{Low: 180, High: 650, Time: noon}, Queues: []mta.QueueCount{{Name: hostile, Messages: 4120}}},
			Failures:  view.FailureStatus{Unknown: "no log " + hostile},
			Processes: view.ProcessStatus{Roles: map[string]int{}, Missing: []string{"dispatcher"}}},
			{Instance: mta.Instance{Name: "second"}}},
		Blind: []mta.BlindSpot{{Source: hostile, Text: "blind " + hostile, Advice: "run it as root " + hostile}}}, s.err
}

func (s *source) Queue(_ context.Context, q view.QueueQuery) (view.Queue, error) {
	if q.Instance == "nobody" {
		return view.Queue{}, fmt.Errorf("%w: no instance", view.ErrQuestion)
	}
	if s.calm {
		return view.Queue{Time: noon}, s.err
	}
	return view.Queue{Time: noon, Unknown: hostile, Detail: []view.QueueDetail{{Instance: hostile, ListFailed: hostile, Ages: []string{"5m", "10m"},
		Rows: []view.QueueRow{{Destination: "example.net" + hostile, Recipients: 77, Ages: []int64{70, 7}, Oldest: noon.Add(-time.Hour), Reason: "451 " + hostile, Normal: &view.Range{Low: 1, High: 9}}}}}}, s.err
}

func (s *source) Failures(context.Context, view.FailureQuery) (view.Failures, error) {
	if s.calm {
		return view.Failures{Time: noon}, s.err
	}
	return view.Failures{Time: noon, Since: noon.Add(-time.Hour), Window: time.Hour, Unknown: hostile, Other: 5, Rows: []view.FailureRow{{Destination: hostile, Cause: mta.CauseGreylisted, Deferred: 31, Reply: "450 " + hostile}},
		Rejects: []view.RejectRow{{Class: hostile, Count: 13, Reply: hostile}}}, s.err
}

func (s *source) Connections(context.Context, view.ConnectionQuery) (view.Connections, error) {
	return view.Connections{Time: noon, Connections: []mta.Connection{{Remote: netip.MustParseAddr("192.0.2.7"), LocalPort: 25, State: mta.TCPEstablished, Count: 12}}}, s.err
}

func (s *source) Processes(context.Context, view.ProcessQuery) (view.Processes, error) {
	return view.Processes{Time: noon, Processes: []mta.RoleProcess{{Orphan: true, Process: mta.Process{PID: 4711, Name: "master" + hostile, Start: noon.Add(-time.Hour), Memory: 1 << 20}}}}, s.err
}

func (s *source) Findings(_ context.Context, q view.FindingQuery) (view.Findings, error) {
	past := finding("past")
	past.End, past.FoldedInto = noon, "f1"
	f := q.Select([]mta.Finding{finding("f1")}, []mta.Finding{past})
	f.Time = noon
	return f, s.err
}

// lame knows the status alone.
type lame struct{ *source }

var errLame = errors.New("no answer")

func (lame) Queue(context.Context, view.QueueQuery) (view.Queue, error) {
	return view.Queue{}, errLame
}
func (lame) Failures(context.Context, view.FailureQuery) (view.Failures, error) {
	return view.Failures{}, errLame
}
func (lame) Connections(context.Context, view.ConnectionQuery) (view.Connections, error) {
	return view.Connections{}, errLame
}
func (lame) Processes(context.Context, view.ProcessQuery) (view.Processes, error) {
	return view.Processes{}, errLame
}
func (lame) Findings(context.Context, view.FindingQuery) (view.Findings, error) {
	return view.Findings{}, errLame
}

// answer is what was answered beside the text.
type answer struct {
	StatusCode int
	Header     http.Header
	Host       string // that was asked
}

func serve(t *testing.T, cfg web.Config) func(path string, header ...string) (answer, string) {
	t.Helper()
	h, err := web.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(web.Headers(h))
	t.Cleanup(srv.Close)
	return func(path string, header ...string) (answer, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "identity")
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer{res.StatusCode, res.Header, req.URL.Host}, string(text)
	}
}

// elements reads a page as HTML that is well-formed enough to be checked, and
// gives its elements with their attributes.
func elements(t *testing.T, text string) map[string]int {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	seen := map[string]int{}
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return seen
		}
		if err != nil {
			t.Fatalf("not readable: %v", err)
		}
		if e, ok := tok.(xml.StartElement); ok {
			seen[e.Name.Local]++
			for _, a := range e.Attr {
				seen["@"+a.Name.Local]++
			}
		}
	}
}

func TestPlainPageIsText(t *testing.T) {
	ask := serve(t, web.Config{Source: &source{}, Files: fstest.MapFS{}, Session: func(*http.Request) web.Session { return web.Session{User: hostile, CSRF: "c"} }})
	for _, path := range []string{"/", "/plain", "/plain?instance=second", "/queues", "/plain/findings/f1", "/findings/past", "/findings/nobody"} {
		res, text := ask(path)
		seen := elements(t, text)
		if seen["script"]+seen["img"]+seen["textarea"]+seen["@onerror"]+seen["@style"] > 0 || strings.ContainsAny(text, "\x1b\a\u202e") {
			t.Errorf("%s: hostile text is more than text: %v", path, seen)
		}
		if seen["title"] != 1 || seen["main"] != 1 || seen["h1"] != 1 {
			t.Errorf("%s: %v", path, seen)
		}
		if p := res.Header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
			t.Errorf("%s: policy %q", path, p)
		}
		for k, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY", "Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8"} {
			if got := res.Header.Get(k); got != want {
				t.Errorf("%s: %s is %q", path, k, got)
			}
		}
	}
}

// The plain page has the facts, open findings first.
func TestPlainFacts(t *testing.T) {
	ask := serve(t, web.Config{Source: &source{}, Files: fstest.MapFS{}})
	_, text := ask("/plain")
	at := -1
	for _, want := range []string{`http-equiv="refresh" content="30"`, "CRITICAL", "Open findings", `href="/plain/findings/f1"`, "What to do:", "<code>mtawatch queue &lt;b&gt;</code>", "a ` alone", "Do not:", "flush", "180-650", "to=&lt;b@example.net&gt;", "Known and left open",
		"Acknowledged", "on it", "Silenced until", "The four vital signs", "unknown: no log", "dispatcher is gone", "Queue by destination and age", ">77<", ">70<", "1-9", "Failures by cause", "greylisted", ">31<", "450 ",
		"And 5 more", "Clients refused", "192.0.2.7", "established", "4711", "left over", "Blind spots", "run it as root", "Past findings", "/plain/findings/past"} {
		i := strings.Index(text, want)
		if i < 0 {
			t.Errorf("the page does not tell %q", want)
		}
		if strings.Contains(want, " ") && strings.ToUpper(want[:1]) == want[:1] && i >= 0 && len(want) > 12 {
			if i < at {
				t.Errorf("%q comes too early", want)
			}
			at = i
		}
	}
	if _, text := ask("/plain?instance=second"); strings.Contains(text, "dispatcher is gone") || !strings.Contains(text, `href="/plain?instance=second" aria-current="page"`) {
		t.Error("the page of one instance shows the other")
	}
	if res, _ := ask("/plain?instance=nobody"); res.StatusCode != 400 {
		t.Errorf("of no instance: %d", res.StatusCode)
	}
	if res, _ := ask("/plain/findings/nobody"); res.StatusCode != 404 {
		t.Errorf("of no finding: %d", res.StatusCode)
	}
	if res, text := ask("/plain/findings/past"); res.StatusCode != 200 || strings.Contains(text, "refresh") || !strings.Contains(text, "part of <a") {
		t.Errorf("a past finding: %d", res.StatusCode)
	}
	calm := serve(t, web.Config{Source: &source{calm: true}, Files: fstest.MapFS{}})
	if _, text := calm("/"); !strings.Contains(text, "Nothing is open.") || !strings.Contains(text, "No attempt failed") || strings.Contains(text, "CRITICAL: ") {
		t.Errorf("a healthy host: %s", text)
	}
	half := serve(t, web.Config{Source: lame{&source{calm: true}}, Files: fstest.MapFS{}})
	if _, text := half("/"); strings.Contains(text, "No attempt failed") || strings.Contains(text, "None yet.") || strings.Count(text, "unknown: no answer") != 5 {
		t.Errorf("what is not known is told as nothing: %s", text)
	}
	hide := serve(t, web.Config{Source: &source{}, Files: fstest.MapFS{}, NoLines: true})
	for _, path := range []string{"/plain", "/findings/f1"} {
		if _, text := hide(path); strings.Contains(text, "b@example.net") {
			t.Errorf("%s shows log lines", path)
		}
	}
	broken := serve(t, web.Config{Source: &source{err: errors.New("no answer")}, Files: fstest.MapFS{}})
	for _, path := range []string{"/plain", "/findings/f1"} {
		if res, text := broken(path); res.StatusCode != 503 || !strings.Contains(text, "no answer") {
			t.Errorf("%s: %d %s", path, res.StatusCode, text)
		}
	}
}

func TestDashboardFiles(t *testing.T) {
	script := strings.Repeat("let a = 1;\n", 200)
	ask := serve(t, web.Config{Source: &source{}, Files: fstest.MapFS{".placeholder": {}, "index.html": {Data: []byte("<!doctype html>app")}, "assets/index-x1.js": {Data: []byte(script)}, "favicon.svg": {Data: []byte("<svg/>")}}})
	for _, tt := range []struct {
		path, kind, cache, text string
		code                    int
	}{
		{"/", "text/html; charset=utf-8", "no-cache", "app", 200},
		{"/findings/20261123T120000Z-1", "text/html; charset=utf-8", "no-cache", "app", 200},
		{"/queues", "text/html; charset=utf-8", "no-cache", "app", 200},
		{"/queues?instance=x", "text/html; charset=utf-8", "no-cache", "app", 200},
		{"/assets/index-x1.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "let a", 200},
		{"/assets/plain.css", "text/css; charset=utf-8", "no-cache", "body", 200},
		{"/favicon.svg", "image/svg+xml", "no-cache", "svg", 200},
		{"/plain", "text/html; charset=utf-8", "no-store", `<a href="/">The dashboard</a>`, 200},
		{"/queues/tcp_local", "text/html; charset=utf-8", "no-store", `<a href="/queues">Queues</a>`, 404},
		{"/plain/findings/nobody", "text/html; charset=utf-8", "no-store", "Findings are forgotten", 404},
		{"/assets/index-x2.js", "text/html; charset=utf-8", "no-store", "No such page", 404},
		{"/.placeholder", "text/html; charset=utf-8", "no-store", "No such page", 404},
		{"/assets/../../web.go", "text/html; charset=utf-8", "no-store", "No such page", 404},
		{"/wp-login.php", "text/html; charset=utf-8", "no-store", "No such page", 404},
		{"/findings/a/b", "text/html; charset=utf-8", "no-store", "No such page", 404},
	} {
		res, text := ask(tt.path)
		if res.StatusCode != tt.code || res.Header.Get("Content-Type") != tt.kind || res.Header.Get("Cache-Control") != tt.cache || !strings.Contains(text, tt.text) {
			t.Errorf("%s: %d %s, %s: %.60s", tt.path, res.StatusCode, res.Header.Get("Content-Type"), res.Header.Get("Cache-Control"), text)
		}
	}
	for enc, packed := range map[string]bool{"gzip, br": true, "br;q=1, GZIP;q=0.5": true, "gzip;q=0": false, "br": false, "": false} {
		res, text := ask("/assets/index-x1.js", "Accept-Encoding", enc)
		if (res.Header.Get("Content-Encoding") == "gzip") != packed || res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: encoded as %q", enc, res.Header.Get("Content-Encoding"))
		}
		if packed {
			z, err := gzip.NewReader(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(z); err != nil || string(b) != script {
				t.Errorf("%q: %v", enc, err)
			}
		}
	}
	front, _ := ask("/")
	res, err := http.Post("http://"+front.Host, "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 405 {
		t.Errorf("post: %d", res.StatusCode)
	}
}

// What is embedded can be served, built or not.
func TestEmbedded(t *testing.T) {
	ask := serve(t, web.Config{Source: &source{calm: true}})
	if res, _ := ask("/"); res.StatusCode != 200 {
		t.Errorf("%d", res.StatusCode)
	}
}
