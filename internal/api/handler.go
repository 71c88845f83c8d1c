package api

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/mtawatch/mtawatch/internal/access"
	"github.com/mtawatch/mtawatch/internal/feed"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// Options of Handler. The zero value serves with the defaults.
type Options struct {
	Version   Version
	Timeout   time.Duration // of every answer but traces; 0: 30 s
	MaxTraces int           // traces at the same time; 0: 2
	Log       *slog.Logger  // nil: requests that fail inside are not logged
	// NoMessages refuses the questions that show single messages and log
	// lines, for a door that every user of the machine can open.
	NoMessages bool
	Feed       *feed.Feed    // of events; nil: there are none
	Interval   time.Duration // between two statuses of the feed
	Actor      view.Actor    // nil: nothing can be changed
	// Session tells a page of the session of who asks; nil: as the request says.
	Session func(access.Who) access.Session
	// Still reports whether who listens to events may go on; nil: always.
	Still func(access.Who) bool
}

// Handler serves the API. It expects to see the paths whole, with Prefix. It
// does not look at the Host header: wrap the whole server in Guard.
func Handler(src view.Source, o Options) http.Handler {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MaxTraces == 0 {
		o.MaxTraces = 2
	}
	h := &handler{src: src, opts: o, traces: make(chan struct{}, o.MaxTraces)}
	h.routes = map[string]route{
		"/status":         {nil, answer(h, func(ctx context.Context, _ *params) (view.Status, error) { return h.status(ctx) })},
		"/queue":          {queueParams, answer(h, h.queue)},
		"/queue/messages": {messageParams, answer(h, h.messages)},
		"/queue/own":      {ownParams(), answer(h, h.own)},
		"/failures":       {failureParams, answer(h, h.failures)},
		"/connections":    {connectionParams, answer(h, h.connections)},
		"/processes":      {processParams, answer(h, h.processes)},
		"/findings":       {findingParams, answer(h, h.findings)},
		"/chart":          {chartParams, answer(h, h.chart)},
		"/doctor":         {nil, answer(h, func(ctx context.Context, _ *params) (view.Doctor, error) { return src.Doctor(ctx) })},
		"/events":         {nil, h.events},
		"/silences":       {nil, answer(h, h.silences)},
		"/session":        {nil, h.session},
		"/trace":          {traceParams, h.trace},
		"/version":        {nil, answer(h, func(context.Context, *params) (Version, error) { return o.Version, nil })},
	}
	return h
}

type handler struct {
	src    view.Source
	opts   Options
	routes map[string]route
	traces chan struct{} // one token for each trace that runs
}

// route is one path: the parameters it knows and what answers it.
type route struct {
	params []string
	serve  func(w http.ResponseWriter, r *http.Request, p *params)
}

// ServeHTTP finds the route and refuses what no route can answer.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set(markHeader, "1")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cache-Control", "no-store")
	path, under := strings.CutPrefix(r.URL.Path, Prefix)
	if under && h.act(w, r, path) {
		return
	}
	rt, known := h.routes[path]
	if !under || !known {
		writeError(w, http.StatusNotFound, fmt.Errorf("no such path: %s", r.URL.Path), "the paths are "+h.paths()+"; PromQL: "+promPaths+"; /metrics")
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		writeError(w, http.StatusMethodNotAllowed, fmt.Errorf("method %s is not allowed here", r.Method), "use GET; what can be changed are findings/ID/acknowledge and silences")
		return
	}
	if h.opts.NoMessages && slices.Contains(messageRoutes(), path) {
		writeError(w, http.StatusForbidden, errors.New("single messages and log lines are not shown here"),
			"ask on the unix socket as the user that mtawatch runs as or as root (--server unix:PATH), or set expose_messages: true in the configuration to show them to every user of this machine")
		return
	}
	p, err := readParams(r.URL.RawQuery, rt.params)
	if err != nil {
		writeError(w, http.StatusBadRequest, err, view.AdviceOf(err))
		return
	}
	rt.serve(w, r, p)
}

// promPaths are served beside this handler, by package prom.
const promPaths = Prefix + "/query " + Prefix + "/query_range " + Prefix + "/series " + Prefix + "/labels " + Prefix + "/label/NAME/values"

// messageRoutes are the paths that Options.NoMessages refuses.
func messageRoutes() []string { return []string{"/queue/messages", "/trace"} }

func (h *handler) paths() string {
	list := make([]string, 0, len(h.routes))
	for p := range h.routes {
		list = append(list, Prefix+p)
	}
	sort.Strings(list)
	return strings.Join(list, " ")
}

// answer makes a route of a question.
func answer[T any](h *handler, ask func(context.Context, *params) (T, error)) func(http.ResponseWriter, *http.Request, *params) {
	return func(w http.ResponseWriter, r *http.Request, p *params) {
		ctx, cancel := context.WithTimeout(r.Context(), h.opts.Timeout)
		defer cancel()
		v, err := ask(ctx, p)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		body, err := json.Marshal(v)
		if err != nil {
			h.fail(w, r, fmt.Errorf("write answer: %w", err))
			return
		}
		h.send(w, r, append(body, '\n'))
	}
}

// packFrom is the length from which an answer is sent compressed: charts are
// long and shrink to a fifth.
const packFrom = 32 << 10

func (h *handler) send(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("Content-Type", typeJSON)
	if len(body) < packFrom || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") || strings.Contains(r.Header.Get("Accept-Encoding"), "gzip;q=0") {
		w.Write(body)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("Vary", "Accept-Encoding")
	z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err == nil {
		_, err = z.Write(body)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil && h.opts.Log != nil { // the reader has gone
		h.opts.Log.Debug("answer request", "path", r.URL.Path, "error", err)
	}
}

// fail answers with the status code that the error calls for.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := http.StatusInternalServerError
	switch {
	case errors.Is(err, view.ErrQuestion):
		code = http.StatusBadRequest
	case errors.Is(err, view.ErrNone):
		code = http.StatusNotFound
	case errors.Is(err, errors.ErrUnsupported):
		code = http.StatusNotImplemented
	case errors.Is(err, context.DeadlineExceeded):
		code = http.StatusGatewayTimeout
	case errors.Is(err, context.Canceled):
		code = http.StatusServiceUnavailable
	}
	if code == http.StatusInternalServerError && h.opts.Log != nil {
		h.opts.Log.Error("answer request", "path", r.URL.Path, "error", err)
	}
	writeError(w, code, err, view.AdviceOf(err))
}

// role is what the asker may do.
func (h *handler) role(r *http.Request) view.Role { return access.From(r.Context()).Role }

func writeError(w http.ResponseWriter, code int, err error, advice string) {
	body, merr := json.Marshal(errorBody{Error: err.Error(), Advice: advice})
	if merr != nil { // two strings always marshal
		body = []byte(`{"error":"unknown"}`)
	}
	w.Header().Set("Content-Type", typeJSON)
	w.WriteHeader(code)
	w.Write(append(body, '\n'))
}

func (h *handler) status(ctx context.Context) (view.Status, error) {
	s, err := h.src.Status(ctx)
	s.Findings = h.shown(s.Findings)
	return s, err
}

func (h *handler) findings(ctx context.Context, p *params) (view.Findings, error) {
	q := view.FindingQuery{ID: p.text("id"), Code: p.code("code"), Since: p.time("since"), Limit: p.number("limit", maxTop)}
	f, err := ask(ctx, p, q, h.src.Findings)
	f.Open, f.Past = h.shown(f.Open), h.shown(f.Past)
	return f, err
}

// shown takes the log lines off findings where single messages are not shown.
func (h *handler) shown(list []mta.Finding) []mta.Finding {
	if !h.opts.NoMessages || list == nil {
		return list
	}
	return view.WithoutLines(list)
}

func (h *handler) queue(ctx context.Context, p *params) (view.Queue, error) {
	q := view.QueueQuery{Instance: p.text("instance"), Queues: p.list("queue"), Top: p.number("top", maxTop), Fresh: p.flag("fresh"), Counters: p.flag("counters")}
	return ask(ctx, p, q, h.src.Queue)
}

func (h *handler) messages(ctx context.Context, p *params) (view.Messages, error) {
	q := view.MessageQuery{Instance: p.text("instance"), Queue: p.text("queue"), Destination: p.text("destination"),
		Sender: p.text("sender"), ID: p.text("id"), Limit: p.number("limit", maxLimit)}
	return ask(ctx, p, q, h.src.Messages)
}

func (h *handler) failures(ctx context.Context, p *params) (view.Failures, error) {
	q := view.FailureQuery{Instance: p.text("instance"), Window: p.duration("window", maxWindow), Top: p.number("top", maxTop),
		Cause: p.cause("cause"), Destination: strings.ToLower(p.text("destination")), Inbound: p.flag("inbound")}
	return ask(ctx, p, q, h.src.Failures)
}

func (h *handler) connections(ctx context.Context, p *params) (view.Connections, error) {
	q := view.ConnectionQuery{Port: uint16(p.number("port", 65535)), State: p.state("state"), Top: p.number("top", maxLimit)}
	return ask(ctx, p, q, h.src.Connections)
}

func (h *handler) processes(ctx context.Context, p *params) (view.Processes, error) {
	return ask(ctx, p, view.ProcessQuery{Instance: p.text("instance")}, h.src.Processes)
}

func (h *handler) chart(ctx context.Context, p *params) (view.Charts, error) {
	q := view.ChartQuery{Instance: p.text("instance"), Sign: p.sign("sign"), Series: p.text("series"), Span: p.span("range"), End: p.time("end")}
	if (q.Sign == "") == (q.Series == "") {
		p.refuse("sign", "or series is needed, and not both")
	}
	return ask(ctx, p, q, h.src.Chart)
}

// ask asks only when every parameter could be read.
func ask[Q, T any](ctx context.Context, p *params, q Q, do func(context.Context, Q) (T, error)) (T, error) {
	if err := p.err(); err != nil {
		var none T
		return none, err
	}
	return do(ctx, q)
}

// trace streams. The status code is sent with the first line, so an error
// after that stands in the last line.
func (h *handler) trace(w http.ResponseWriter, r *http.Request, p *params) {
	q := view.TraceQuery{Text: p.text("text"), Since: p.time("since"), Limit: p.number("limit", maxLimit)}
	if q.Text == "" {
		p.refuse("text", "is needed: a queue id, a Message-ID or an address")
	}
	if err := p.err(); err != nil {
		h.fail(w, r, err)
		return
	}
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", typeStream)
		return
	}
	select {
	case h.traces <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "5")
		writeError(w, http.StatusTooManyRequests, fmt.Errorf("%d traces are running already", h.opts.MaxTraces), "try again when one has ended")
		return
	}
	s := &stream{w: w}
	sum, err := h.runTrace(r.Context(), q, s)
	switch {
	case err == nil:
		s.send(Line{Summary: &sum})
	case !s.started():
		h.fail(w, r, err)
	default:
		s.send(Line{Error: err.Error(), Advice: view.AdviceOf(err)})
	}
}

// runTrace gives its token back before the last line is sent, so that who
// has read that line may ask again at once.
func (h *handler) runTrace(ctx context.Context, q view.TraceQuery, s *stream) (view.TraceSummary, error) {
	defer func() { <-h.traces }()
	return h.src.Trace(ctx, q,
		func(t view.TraceStep) bool { return s.send(Line{Step: &t}) },
		func(p view.Progress) { s.send(Line{Progress: &p}) })
}

// stream writes lines. It may be used from several goroutines: a source may
// report progress from another one than its steps.
type stream struct {
	mu    sync.Mutex
	w     http.ResponseWriter
	begun bool
	err   error // the first write error; nothing is written after it
}

func (s *stream) started() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun
}

// send writes one line at once; false when the reader is gone.
func (s *stream) send(l Line) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false
	}
	if !s.begun {
		s.w.Header().Set("Content-Type", typeStream)
		s.begun = true
	}
	b, err := json.Marshal(l)
	out := http.NewResponseController(s.w)
	_ = out.SetWriteDeadline(time.Now().Add(writeWithin)) // where it is not supported there is no connection either
	if err == nil {
		_, err = s.w.Write(append(b, '\n'))
	}
	if err == nil {
		err = out.Flush()
		if errors.Is(err, errors.ErrUnsupported) {
			err = nil
		}
	}
	s.err = err
	return err == nil
}
