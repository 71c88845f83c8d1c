package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mtawatch/mtawatch/internal/api"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

var testVersion = api.Version{Version: "v0.1.0", Commit: "abcdef", Go: "go1.26"}

func serve(t *testing.T, s *source) string {
	t.Helper()
	srv := httptest.NewServer(api.Guard(api.Handler(s, api.Options{Version: testVersion, MaxTraces: 1}), true))
	t.Cleanup(srv.Close)
	return srv.URL
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateNaNs()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestRoundTrip asks every question through client and handler: question and
// answer must arrive whole.
func TestRoundTrip(t *testing.T) {
	ctx := t.Context()
	s := &source{}
	var c view.Source = api.NewClient(serve(t, s), 0)
	qq := view.QueueQuery{Instance: "postfix", Queues: []string{"active", "deferred"}, Top: 7, Fresh: true, Counters: true}
	mq := view.MessageQuery{Instance: "postfix", Queue: "hold", Destination: "example.net", Sender: "a+b@example.org", ID: "4cXk", Limit: 3}
	fq := view.FailureQuery{Instance: "postfix", Window: 90 * time.Minute, Top: 2, Cause: "greylisted", Destination: "example.net", Inbound: true}
	cq := view.ConnectionQuery{Port: 587, State: "syn-recv", Top: 5}
	pq := view.ProcessQuery{Instance: "postfix & co"}
	dq := view.FindingQuery{ID: "f1", Code: mta.FindingQueueGrowing, Since: noon, Limit: 3}
	sq := view.ChartQuery{Instance: "postfix", Sign: mta.SignFailures, Span: 14 * 24 * time.Hour, End: noon}
	oq := view.ChartQuery{Series: `mta_queue_messages{instance="postfix",queue="a\\"b"}`}
	wq := view.OwnQuery{Instance: "imta", OwnQuestion: mta.OwnQuestion{Channel: "tcp_local", Counters: true, Waiting: true, Processes: true}}
	tests := []struct {
		name        string
		ask         func() (any, error)
		want, asked any
	}{
		{"status", func() (any, error) { return c.Status(ctx) }, theStatus(), nil},
		{"doctor", func() (any, error) { return c.Doctor(ctx) }, theDoctor(), nil},
		{"queue", func() (any, error) { return c.Queue(ctx, qq) }, theQueue(), qq},
		{"queue, all defaults", func() (any, error) { return c.Queue(ctx, view.QueueQuery{}) }, theQueue(), view.QueueQuery{}},
		{"messages", func() (any, error) { return c.Messages(ctx, mq) }, theMessages(), mq},
		{"failures", func() (any, error) { return c.Failures(ctx, fq) }, theFailures(), fq},
		{"connections", func() (any, error) { return c.Connections(ctx, cq) }, theConnections(), cq},
		{"processes", func() (any, error) { return c.Processes(ctx, pq) }, theProcesses(), pq},
		{"own", func() (any, error) { return c.Own(ctx, wq) }, theOwn(), wq},
		{"findings", func() (any, error) { return c.Findings(ctx, dq) }, theFindings(), dq},
		{"chart of a sign", func() (any, error) { return c.Chart(ctx, sq) }, theCharts(), sq},
		{"chart of a series", func() (any, error) { return c.Chart(ctx, oq) }, theCharts(), oq},
		{"version", func() (any, error) { return c.(*api.Client).Version(ctx) }, testVersion, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.asked = nil
			got, err := tt.ask()
			if err != nil {
				t.Fatal(err)
			}
			same(t, got, tt.want)
			same(t, s.asked, tt.asked)
		})
	}
}

// TestNoLines: a door that shows no single messages shows no log lines of
// findings either, and the source's own stay whole.
func TestNoLines(t *testing.T) {
	srv := httptest.NewServer(api.Handler(&source{}, api.Options{NoMessages: true}))
	defer srv.Close()
	for _, path := range []string{"/status", "/findings"} {
		res, err := http.Get(srv.URL + api.Prefix + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || !strings.Contains(string(body), "messages waiting") || strings.Contains(string(body), "b@example.net") {
			t.Errorf("%s: %v, status %d: %s", path, err, res.StatusCode, body)
		}
		if strings.Contains(string(body), `"line"`) {
			t.Errorf("%s shows the lines of what is folded: %s", path, body)
		}
	}
}

func TestTrace(t *testing.T) {
	s := &source{}
	c := api.NewClient(serve(t, s), 0)
	q := view.TraceQuery{Text: "b@example.net", Since: noon.Truncate(time.Second), Limit: 4}
	var steps []view.TraceStep
	var seen []view.Progress
	sum, err := c.Trace(t.Context(), q, func(s view.TraceStep) bool { steps = append(steps, s); return true },
		func(p view.Progress) { seen = append(seen, p) })
	if err != nil {
		t.Fatal(err)
	}
	same(t, sum, theSummary())
	same(t, steps, []view.TraceStep{theStep()})
	same(t, seen, []view.Progress{theProgress()})
	same(t, s.asked, q)
}

func TestTraceEnds(t *testing.T) {
	q := view.TraceQuery{Text: "b@example.net"}
	more := func(view.TraceStep) bool { return true }
	quiet := func(view.Progress) {}
	t.Run("stopped by the reader", func(t *testing.T) {
		c := api.NewClient(serve(t, &source{}), 0)
		sum, err := c.Trace(t.Context(), q, func(view.TraceStep) bool { return false }, quiet)
		if err != nil || !sum.Limited || sum.Steps != 1 {
			t.Errorf("got %+v, %v; want one step, limited", sum, err)
		}
	})
	failed := view.Advise(errors.New("read log: gone"), "look for it")
	for name, s := range map[string]*source{"error after the first step": {traceErr: failed}, "error at once": {err: failed}} {
		t.Run(name, func(t *testing.T) {
			_, err := api.NewClient(serve(t, s), 0).Trace(t.Context(), q, more, quiet)
			if err == nil || err.Error() != "read log: gone" || view.AdviceOf(err) != "look for it" {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("one after the other", func(t *testing.T) {
		c := api.NewClient(serve(t, &source{}), 0)
		for range 20 {
			if _, err := c.Trace(t.Context(), q, more, quiet); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("only so many at once", func(t *testing.T) {
		s := &source{hold: make(chan struct{})}
		c := api.NewClient(serve(t, s), 0)
		_, err := c.Trace(t.Context(), q, func(view.TraceStep) bool {
			_, err := c.Trace(t.Context(), q, more, quiet)
			if err == nil || !strings.Contains(err.Error(), "1 traces are running") {
				t.Errorf("second trace: got %v", err)
			}
			close(s.hold)
			return true
		}, quiet)
		if err != nil {
			t.Error(err)
		}
	})
}

// TestCutTrace shows that a stream that ends early is an error, not a short
// answer.
func TestCutTrace(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Mtawatch-Api", "1")
		w.Header().Set("Content-Type", "application/x-ndjson")
		fmt.Fprintln(w, `{"progress":{"done":1,"total":2,"what":"x"}}`)
	}))
	defer srv.Close()
	_, err := api.NewClient(srv.URL, 0).Trace(t.Context(), view.TraceQuery{Text: "x"}, func(view.TraceStep) bool { return true }, func(view.Progress) {})
	if err == nil || !strings.Contains(err.Error(), "the answer was cut") {
		t.Errorf("got %v", err)
	}
}

var errorTests = []struct {
	name, method, path string
	header             map[string]string
	host               string
	err                error
	code               int
	want               string // in the error or the advice
}{
	{name: "unknown path", path: "/api/v1/no", code: 404, want: "/api/v1/status"},
	{name: "unknown path names PromQL", path: "/api/v1/no", code: 404, want: "/api/v1/query_range"},
	{name: "unknown path names the metrics", path: "/api/v1/no", code: 404, want: "/metrics"},
	{name: "root", path: "/", code: 404, want: "no such path"},
	{name: "post", method: "POST", path: "/api/v1/status", code: 405, want: "what can be changed"},
	{name: "unknown parameter", path: "/api/v1/queue?tip=3", code: 400, want: "instance, queue, top, fresh, counters"},
	{name: "parameter where none is", path: "/api/v1/status?x=1", code: 400, want: `"x"`},
	{name: "doubled parameter", path: "/api/v1/queue?top=3&top=4", code: 400, want: "too often"},
	{name: "no number", path: "/api/v1/queue?top=many", code: 400, want: "1 to 1000"},
	{name: "zero", path: "/api/v1/queue?top=0", code: 400, want: "1 to 1000"},
	{name: "own tools, for nothing", path: "/api/v1/queue/own", code: 400, want: "what to ask for"},
	{name: "too many", path: "/api/v1/queue/messages?limit=10001", code: 400, want: "10000"},
	{name: "flag", path: "/api/v1/queue?fresh=maybe", code: 400, want: "true or false"},
	{name: "window too long", path: "/api/v1/failures?window=25h", code: 400, want: "24h"},
	{name: "window negative", path: "/api/v1/failures?window=-1h", code: 400, want: "duration"},
	{name: "cause", path: "/api/v1/failures?cause=bad-luck", code: 400, want: "greylisted"},
	{name: "code", path: "/api/v1/findings?code=bad-luck", code: 400, want: "queue-growing"},
	{name: "state", path: "/api/v1/connections?state=open", code: 400, want: "established"},
	{name: "port", path: "/api/v1/connections?port=70000", code: 400, want: "65535"},
	{name: "two wrong at once", path: "/api/v1/failures?cause=x&top=y", code: 400, want: "1000"},
	{name: "trace of nothing", path: "/api/v1/trace", code: 400, want: "queue id"},
	{name: "trace since", path: "/api/v1/trace?text=x&since=yesterday", code: 400, want: "2026"},
	{name: "long value", path: "/api/v1/trace?text=" + strings.Repeat("x", 1025), code: 400, want: "1024"},
	{name: "long query", path: "/api/v1/trace?text=" + strings.Repeat("x", 9000), code: 400, want: "8192"},
	{name: "broken query", path: "/api/v1/queue?top=%zz", code: 400, want: "read query"},
	{name: "bad question", path: "/api/v1/queue?instance=x", err: fmt.Errorf("%w: no instance x", view.ErrQuestion), code: 400, want: "no instance x"},
	{name: "failed", path: "/api/v1/queue", err: view.Advise(errors.New("read queue: refused"), "start it"), code: 500, want: "start it"},
	{name: "unsupported", path: "/api/v1/queue", err: fmt.Errorf("list: %w", errors.ErrUnsupported), code: 501, want: "list"},
	{name: "deadline", path: "/api/v1/queue", err: context.DeadlineExceeded, code: 504, want: "deadline"},
	{name: "rebinding", path: "/api/v1/status", host: "evil.example", code: 421, want: "localhost"},
	{name: "rebinding with port", path: "/api/v1/status", host: "evil.example:9725", code: 421, want: "localhost"},
	{name: "cross-site", path: "/api/v1/status", header: map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, code: 403, want: "another site"},
}

func TestErrors(t *testing.T) {
	for _, tt := range errorTests {
		t.Run(tt.name, func(t *testing.T) {
			base := serve(t, &source{err: tt.err})
			method := tt.method
			if method == "" {
				method = "GET"
			}
			req, err := http.NewRequest(method, base+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = tt.host
			for k, v := range tt.header {
				req.Header.Set(k, v)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			var body struct{ Error, Advice string }
			if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tt.code || body.Error == "" || !strings.Contains(body.Error+" "+body.Advice, tt.want) {
				t.Errorf("got %d %+v, want %d and %q", res.StatusCode, body, tt.code, tt.want)
			}
			if got := res.Header.Get("Content-Type"); got != "application/json; charset=utf-8" {
				t.Errorf("content type %q", got)
			}
			if got := res.Header.Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("CORS header %q", got)
			}
		})
	}
}

func TestGuardHosts(t *testing.T) {
	tests := []struct {
		host string
		want int
	}{
		{"localhost", 200}, {"LOCALHOST:9725", 200}, {"127.0.0.1:9725", 200}, {"127.1.2.3", 200}, {"[::1]:9725", 200}, {"[::1]", 200},
		{"localhost.", 200}, {"[::ffff:127.0.0.1]:80", 200},
		{"", 421}, {"192.0.2.1", 421}, {"localhost.example.net", 421}, {"127.0.0.1.example.net", 421}, {"[2001:db8::1]:9725", 421},
	}
	h := api.Guard(api.Handler(&source{}, api.Options{}), true)
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/api/v1/status", nil)
			r.Host = tt.host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("got %d, want %d", w.Code, tt.want)
			}
		})
	}
}

func TestClientErrors(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "<html>hello") }))
	defer other.Close()
	moved := httptest.NewServer(http.RedirectHandler("/elsewhere", http.StatusFound))
	defer moved.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	tests := []struct {
		name, base string
		noDaemon   bool
		want       string
	}{
		{"refused", closed, true, "no mtawatch daemon answers"},
		{"no socket", "unix:" + filepath.Join(t.TempDir(), "none"), true, "no mtawatch daemon answers"},
		{"another server", other.URL, false, "is not mtawatch"},
		{"redirect", moved.URL, false, "is not mtawatch"},
		{"bad address", "http://[::1", false, "ask http://[::1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := api.NewClient(tt.base, 0).Status(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, api.ErrNoDaemon) != tt.noDaemon {
				t.Errorf("got %v, want %q, no daemon %v", err, tt.want, tt.noDaemon)
			}
		})
	}
	t.Run("a socket of others", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root may ask on every socket")
		}
		path := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		_, err = api.NewClient("unix:"+path, 0).Status(t.Context())
		if !errors.Is(err, fs.ErrPermission) || strings.Count(err.Error(), path) != 1 || !strings.Contains(view.AdviceOf(err), "as root") {
			t.Errorf("got %v; %s", err, view.AdviceOf(err))
		}
	})
	t.Run("metrics", func(t *testing.T) {
		if _, err := api.NewClient(closed, 0).Metrics(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("refusal keeps text and advice", func(t *testing.T) {
		c := api.NewClient(serve(t, &source{err: view.Advise(fmt.Errorf("%w: no instance x", view.ErrQuestion), "see status")}), 0)
		_, err := c.Queue(t.Context(), view.QueueQuery{Instance: "x"})
		if !errors.Is(err, view.ErrQuestion) || err.Error() != "bad question: no instance x" || view.AdviceOf(err) != "see status" {
			t.Errorf("got %v", err)
		}
	})
}

// TestUnixSocket asks over a unix socket, through Guard.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(api.Guard(api.Handler(&source{}, api.Options{}), true))
	srv.Listener.Close()
	srv.Listener = l
	srv.Start()
	defer srv.Close()
	got, err := api.NewClient("unix:"+path, 0).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, theStatus())
}

// FuzzQuery sends any query to every route: never a panic, always JSON.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"", "top=3", "window=1h&cause=other", "text=a%40b&since=2026-11-23T12:00:00Z", "port=25&state=listen", "%zz", "top=1&top=2", "fresh=1;x"} {
		f.Add(s)
	}
	h := api.Handler(&source{}, api.Options{})
	f.Fuzz(func(t *testing.T, raw string) {
		for _, path := range []string{"status", "queue", "queue/messages", "queue/own", "failures", "connections", "processes", "doctor", "findings", "trace", "version"} {
			r := &http.Request{Method: "GET", URL: &url.URL{Path: api.Prefix + "/" + path, RawQuery: raw}}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			for line := range strings.Lines(w.Body.String()) {
				if !json.Valid([]byte(line)) {
					t.Fatalf("%s?%s: no JSON: %q", path, raw, line)
				}
			}
			if w.Body.Len() == 0 || (w.Code != 200 && w.Code != 400) {
				t.Fatalf("%s?%s: status %d, body %q", path, raw, w.Code, w.Body)
			}
		}
	})
}
