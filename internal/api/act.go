package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/access"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// maxBody bounds what a change may carry, in bytes.
const maxBody = 16 << 10

// act serves the paths that change something; false: it is none of them.
func (h *handler) act(w http.ResponseWriter, r *http.Request, path string) bool {
	part := strings.Split(strings.TrimPrefix(path, "/"), "/")
	var do func(r *http.Request) (any, error)
	methods := "POST, DELETE"
	switch {
	case len(part) == 3 && part[0] == "findings" && part[2] == "acknowledge":
		do = map[string]func(*http.Request) (any, error){
			http.MethodPost: func(r *http.Request) (any, error) { return h.acknowledge(r, part[1]) },
			http.MethodDelete: func(r *http.Request) (any, error) {
				return nil, h.opts.Actor.Unacknowledge(r.Context(), part[1])
			},
		}[r.Method]
	case len(part) == 1 && part[0] == "silences" && r.Method != http.MethodGet && r.Method != http.MethodHead:
		methods = "GET, HEAD, POST"
		if r.Method == http.MethodPost {
			do = h.silence
		}
	case len(part) == 2 && part[0] == "silences":
		methods = "DELETE"
		if r.Method == http.MethodDelete {
			do = func(r *http.Request) (any, error) { return nil, h.opts.Actor.Unsilence(r.Context(), part[1]) }
		}
	default:
		return false
	}
	switch err := access.CheckChange(r); {
	case do == nil:
		w.Header().Set("Allow", methods)
		writeError(w, http.StatusMethodNotAllowed, fmt.Errorf("method %s is not allowed here", r.Method), "use "+methods)
	case err != nil:
		writeError(w, http.StatusForbidden, err, "only an admin may do so; see GET "+Prefix+"/session")
	case h.opts.Actor == nil:
		h.fail(w, r, fmt.Errorf("nothing can be changed here: %w", errors.ErrUnsupported))
	default:
		h.change(w, r, do)
	}
	return true
}

func (h *handler) change(w http.ResponseWriter, r *http.Request, do func(r *http.Request) (any, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), h.opts.Timeout)
	defer cancel()
	access.LimitBody(w, r, maxBody)
	v, err := do(r.WithContext(ctx))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if v == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	body, err := json.Marshal(v)
	if err != nil {
		h.fail(w, r, fmt.Errorf("write answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", typeJSON)
	w.Write(append(body, '\n'))
}

// readBody reads what a change carries. Only JSON is taken: a form of
// another's page cannot send it.
func readBody(r *http.Request, into any) error {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return question("the content type must be application/json")
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return question("read body: " + err.Error())
	}
	return nil
}

// by is who does it: who is logged in, else who says so.
func by(r *http.Request, said string) string {
	if name := access.From(r.Context()).Name; name != "" {
		return name
	}
	return said
}

func (h *handler) acknowledge(r *http.Request, id string) (any, error) {
	a := view.Acknowledge{ID: id}
	if err := readBody(r, &a); err != nil {
		return nil, err
	}
	a.By = by(r, a.By)
	f, err := h.opts.Actor.Acknowledge(r.Context(), a)
	if err != nil {
		return nil, err
	}
	f.Finding = h.shown([]mta.Finding{f.Finding})[0]
	return f, nil
}

// silenceBody is what POST /silences takes.
type silenceBody struct {
	Code     mta.FindingCode `json:"code"`
	Instance string          `json:"instance"`
	Subject  string          `json:"subject"`
	Until    time.Time       `json:"until"`
	Note     string          `json:"note"`
	By       string          `json:"by"`
}

func (h *handler) silence(r *http.Request) (any, error) {
	var b silenceBody
	if err := readBody(r, &b); err != nil {
		return nil, err
	}
	return h.opts.Actor.Silence(r.Context(), mta.Silence{Code: b.Code, Instance: b.Instance, Subject: b.Subject, Until: b.Until, Note: b.Note, By: by(r, b.By)})
}

func (h *handler) silences(ctx context.Context, _ *params) (view.Silences, error) {
	if h.opts.Actor == nil {
		return view.Silences{Time: time.Now(), Silences: []mta.Silence{}}, nil
	}
	return h.opts.Actor.Silences(ctx)
}

// session tells a page of its session.
func (h *handler) session(w http.ResponseWriter, r *http.Request, _ *params) {
	who := access.From(r.Context())
	s := access.Session{Role: who.Role, CSRF: who.CSRF}
	if h.opts.Session != nil {
		s = h.opts.Session(who)
	}
	body, err := json.Marshal(s)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", typeJSON)
	w.Write(append(body, '\n'))
}

var _ view.Actor = (*Client)(nil)

// Acknowledge implements view.Actor.
func (c *Client) Acknowledge(ctx context.Context, a view.Acknowledge) (view.Acknowledged, error) {
	var f view.Acknowledged
	err := c.send(ctx, http.MethodPost, "/findings/"+url.PathEscape(a.ID)+"/acknowledge", a, &f)
	return f, err
}

// Unacknowledge implements view.Actor.
func (c *Client) Unacknowledge(ctx context.Context, id string) error {
	return c.send(ctx, http.MethodDelete, "/findings/"+url.PathEscape(id)+"/acknowledge", nil, nil)
}

// Silence implements view.Actor.
func (c *Client) Silence(ctx context.Context, s mta.Silence) (mta.Silence, error) {
	var out mta.Silence
	err := c.send(ctx, http.MethodPost, "/silences", silenceBody{s.Code, s.Instance, s.Subject, s.Until, s.Note, s.By}, &out)
	return out, err
}

// Unsilence implements view.Actor.
func (c *Client) Unsilence(ctx context.Context, id string) error {
	return c.send(ctx, http.MethodDelete, "/silences/"+url.PathEscape(id), nil, nil)
}

// Silences implements view.Actor.
func (c *Client) Silences(ctx context.Context) (view.Silences, error) {
	return get[view.Silences](ctx, c, "/silences", nil)
}

// send asks for one change, with the token of its session, and reads the
// answer into out where there is one.
func (c *Client) send(ctx context.Context, method, path string, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	s, err := get[access.Session](ctx, c, "/session", nil)
	if err != nil {
		return err
	}
	text := []byte("{}")
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("ask %s: %w", c.address, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.address, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-CSRF-Token", s.CSRF)
	res, err := c.ask(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case res.StatusCode == http.StatusNoContent && res.Header.Get(markHeader) != "":
		return nil
	case res.StatusCode != http.StatusOK || out == nil:
		return c.refused(res, kind)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("read answer of %s: %w", c.address, err)
	}
	return nil
}
