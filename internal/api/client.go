package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// ErrNoDaemon says that nothing listens at the address: no daemon runs.
var ErrNoDaemon = errors.New("no mtawatch daemon answers")

// ErrNotMtawatch says that another server listens at the address.
var ErrNotMtawatch = errors.New("what answers is not mtawatch")

// maxAnswer bounds the memory that an answer may take.
const maxAnswer = 64 << 20

// maxLine bounds one line of a trace.
const maxLine = 16 << 20

// Client asks a running daemon. It implements view.Source.
type Client struct {
	base    string // without a slash at the end
	address string // for messages
	http    *http.Client
	timeout time.Duration
	token   string
}

var _ view.Source = (*Client)(nil)

// NewClient asks the daemon at base: "http://127.0.0.1:9725", the same without
// "http://", or "unix:/path/of/socket". Timeout bounds every question but
// Trace; 0 is 35 s, a little more than the server gives itself. A base that
// cannot be read gives an error at the first question.
func NewClient(base string, timeout time.Duration) *Client {
	if timeout == 0 {
		timeout = 35 * time.Second
	}
	t := &http.Transport{Proxy: nil, ResponseHeaderTimeout: 0, MaxIdleConns: 2, IdleConnTimeout: 30 * time.Second}
	c := &Client{address: base, timeout: timeout, http: &http.Client{Transport: t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if path, ok := strings.CutPrefix(base, "unix:"); ok {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		}
		c.base = "http://localhost" + Prefix
		return c
	}
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	c.base = strings.TrimRight(base, "/") + Prefix
	return c
}

// Version asks which program answers.
func (c *Client) Version(ctx context.Context) (Version, error) {
	return get[Version](ctx, c, "/version", nil)
}

// Status implements view.Source.
func (c *Client) Status(ctx context.Context) (view.Status, error) {
	return get[view.Status](ctx, c, "/status", nil)
}

// Queue implements view.Source.
func (c *Client) Queue(ctx context.Context, q view.QueueQuery) (view.Queue, error) {
	v := make(query)
	v.text("instance", q.Instance)
	v["queue"] = append(v["queue"], q.Queues...)
	v.number("top", q.Top)
	v.flag("fresh", q.Fresh)
	v.flag("counters", q.Counters)
	return get[view.Queue](ctx, c, "/queue", v)
}

// Messages implements view.Source.
func (c *Client) Messages(ctx context.Context, q view.MessageQuery) (view.Messages, error) {
	v := make(query)
	v.text("instance", q.Instance)
	v.text("queue", q.Queue)
	v.text("destination", q.Destination)
	v.text("sender", q.Sender)
	v.text("id", q.ID)
	v.number("limit", q.Limit)
	return get[view.Messages](ctx, c, "/queue/messages", v)
}

// Failures implements view.Source.
func (c *Client) Failures(ctx context.Context, q view.FailureQuery) (view.Failures, error) {
	v := make(query)
	v.text("instance", q.Instance)
	if q.Window != 0 {
		v.text("window", q.Window.String())
	}
	v.number("top", q.Top)
	v.text("cause", q.Cause)
	v.text("destination", q.Destination)
	v.flag("inbound", q.Inbound)
	return get[view.Failures](ctx, c, "/failures", v)
}

// Connections implements view.Source.
func (c *Client) Connections(ctx context.Context, q view.ConnectionQuery) (view.Connections, error) {
	v := make(query)
	v.number("port", int(q.Port))
	v.text("state", q.State)
	v.number("top", q.Top)
	return get[view.Connections](ctx, c, "/connections", v)
}

// Processes implements view.Source.
func (c *Client) Processes(ctx context.Context, q view.ProcessQuery) (view.Processes, error) {
	v := make(query)
	v.text("instance", q.Instance)
	return get[view.Processes](ctx, c, "/processes", v)
}

// Findings implements view.Source.
func (c *Client) Findings(ctx context.Context, q view.FindingQuery) (view.Findings, error) {
	v := make(query)
	v.text("id", q.ID)
	v.text("code", string(q.Code))
	if !q.Since.IsZero() {
		v.text("since", q.Since.Format(time.RFC3339Nano))
	}
	v.number("limit", q.Limit)
	return get[view.Findings](ctx, c, "/findings", v)
}

// Chart implements view.Source.
func (c *Client) Chart(ctx context.Context, q view.ChartQuery) (view.Charts, error) {
	v := make(query)
	v.text("instance", q.Instance)
	v.text("sign", string(q.Sign))
	v.text("series", q.Series)
	if q.Span != 0 {
		v.text("range", q.Span.String())
	}
	if !q.End.IsZero() {
		v.text("end", q.End.Format(time.RFC3339Nano))
	}
	return get[view.Charts](ctx, c, "/chart", v)
}

// Doctor implements view.Source.
func (c *Client) Doctor(ctx context.Context) (view.Doctor, error) {
	return get[view.Doctor](ctx, c, "/doctor", nil)
}

// Metrics is not asked over the API: a daemon gives them as /metrics.
func (c *Client) Metrics(context.Context) ([]mta.Sample, error) {
	return nil, fmt.Errorf("read metrics of %s: %w", c.address, errors.ErrUnsupported)
}

// Trace implements view.Source. When yield gives false the summary is that
// of what was seen so far, with Limited set.
func (c *Client) Trace(ctx context.Context, q view.TraceQuery, yield func(view.TraceStep) bool, progress func(view.Progress)) (view.TraceSummary, error) {
	v := make(query)
	v.text("text", q.Text)
	if !q.Since.IsZero() {
		v.text("since", q.Since.Format(time.RFC3339))
	}
	v.number("limit", q.Limit)
	res, err := c.do(ctx, "/trace", v, "application/x-ndjson")
	if err != nil {
		return view.TraceSummary{}, err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	steps := 0
	for lines.Scan() {
		var l Line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return view.TraceSummary{}, fmt.Errorf("read trace of %s: %w", c.address, err)
		}
		switch {
		case l.Step != nil:
			steps++
			if !yield(*l.Step) {
				return view.TraceSummary{Steps: steps, Limited: true}, nil
			}
		case l.Progress != nil:
			progress(*l.Progress)
		case l.Summary != nil:
			return *l.Summary, nil
		case l.Error != "":
			return view.TraceSummary{}, view.Advise(errors.New(l.Error), l.Advice)
		}
	}
	if err := lines.Err(); err != nil {
		return view.TraceSummary{}, fmt.Errorf("read trace of %s: %w", c.address, err)
	}
	return view.TraceSummary{}, fmt.Errorf("read trace of %s: the answer was cut: %w", c.address, io.ErrUnexpectedEOF)
}

// query is url.Values that leaves out zero values.
type query url.Values

func (q query) text(name, v string) {
	if v != "" {
		q[name] = []string{v}
	}
}

func (q query) number(name string, v int) {
	if v != 0 {
		q[name] = []string{strconv.Itoa(v)}
	}
}

func (q query) flag(name string, v bool) {
	if v {
		q[name] = []string{"true"}
	}
}

// get asks one question and reads the whole answer.
func get[T any](ctx context.Context, c *Client, path string, q query) (T, error) {
	var v T
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	res, err := c.do(ctx, path, q, "application/json")
	if err != nil {
		return v, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return v, fmt.Errorf("read answer of %s: %w", c.address, err)
	}
	if len(body) > maxAnswer {
		return v, fmt.Errorf("read answer of %s: more than %d bytes", c.address, maxAnswer)
	}
	if err := json.Unmarshal(body, &v); err != nil {
		var none T
		return none, fmt.Errorf("read answer of %s: %w", c.address, err)
	}
	return v, nil
}

// do sends one question and gives the answer only when it is of the media
// type that was asked for.
func (c *Client) do(ctx context.Context, path string, q query, mediaType string) (*http.Response, error) {
	u := c.base + path
	if len(q) > 0 {
		u += "?" + url.Values(q).Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, view.Advise(fmt.Errorf("ask %s: %w", c.address, err), "give an address such as 127.0.0.1:9725 or unix:/run/mtawatch.sock")
	}
	req.Header.Set("Accept", mediaType)
	res, err := c.ask(req)
	if err != nil {
		return nil, err
	}
	got, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode == http.StatusOK && got == mediaType && res.Header.Get(markHeader) != "" {
		return res, nil
	}
	defer res.Body.Close()
	return nil, c.refused(res, got)
}

// ask sends a request, with the token where there is one.
func (c *Client) ask(req *http.Request) (*http.Response, error) {
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	return res, nil
}

// WithToken gives a client that says who it is by a token; "" changes nothing.
func (c *Client) WithToken(token string) *Client {
	with := *c
	with.token = token
	return &with
}

// explain says why no answer came.
func (c *Client) explain(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // without the long address that url.Error repeats
	}
	noSocket := strings.HasPrefix(c.address, "unix:") && errors.Is(err, fs.ErrNotExist)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), noSocket:
		return view.Advise(fmt.Errorf("%w at %s", ErrNoDaemon, c.address), "start it with 'mtawatch run'")
	case errors.Is(err, fs.ErrPermission) && strings.HasPrefix(c.address, "unix:"):
		return view.Advise(fmt.Errorf("ask %s: %w", c.address, fs.ErrPermission),
			"the socket is open to the user and the group that the daemon runs as: run this as that user or as root (sudo), or ask at its address with --server")
	case errors.Is(err, context.DeadlineExceeded):
		return view.Advise(fmt.Errorf("ask %s: no answer within %s: %w", c.address, c.timeout, err), "see whether the daemon is overloaded or stopped")
	}
	return fmt.Errorf("ask %s: %w", c.address, err)
}

// refused makes an error of an answer that is not the one asked for.
func (c *Client) refused(res *http.Response, mediaType string) error {
	if res.Header.Get(markHeader) == "" {
		return view.Advise(fmt.Errorf("ask %s: %w (status %s, %q)", c.address, ErrNotMtawatch, res.Status, mediaType),
			"check the address; mtawatch listens on 127.0.0.1:9725 unless the configuration says otherwise")
	}
	var e errorBody
	body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err := json.Unmarshal(body, &e); err != nil || e.Error == "" {
		return fmt.Errorf("ask %s: status %s without a reason", c.address, res.Status)
	}
	err := errors.New(e.Error)
	switch res.StatusCode {
	case http.StatusBadRequest:
		err = fmt.Errorf("%w: %s", view.ErrQuestion, strings.TrimPrefix(e.Error, view.ErrQuestion.Error()+": "))
	case http.StatusNotFound:
		if before, after, ok := strings.Cut(e.Error, view.ErrNone.Error()); ok && (after == "" || after[0] == ' ') {
			err = fmt.Errorf("%s%w%s", before, view.ErrNone, after)
		}
	case http.StatusUnauthorized:
		e.Advice = "set MTAWATCH_TOKEN to a token of the daemon's tokens_file, or ask on its unix socket (--server unix:PATH)"
		err = fmt.Errorf("%s: %w", e.Error, fs.ErrPermission)
	case http.StatusForbidden:
		err = fmt.Errorf("%s: %w", e.Error, fs.ErrPermission)
	case http.StatusNotImplemented:
		err = fmt.Errorf("%s: %w", e.Error, errors.ErrUnsupported)
	}
	return view.Advise(err, e.Advice)
}
