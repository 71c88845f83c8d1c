package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mtawatch/mtawatch/internal/access"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// The times of a stream of events. A listener that does not take what is
// written for it within writeWithin is cut.
const (
	heartbeat   = 15 * time.Second
	writeWithin = 10 * time.Second
	comeBack    = 2 * time.Second // what a page that was cut waits for
)

const typeEvents = "text/event-stream"

// events streams what happens, as Server-Sent Events: hello and a status at
// once, then each change as it comes.
func (h *handler) events(w http.ResponseWriter, r *http.Request, _ *params) {
	if h.opts.Feed == nil {
		h.fail(w, r, fmt.Errorf("there is no stream of events here: %w", errors.ErrUnsupported))
		return
	}
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", typeEvents)
		return
	}
	l, err := h.opts.Feed.Join()
	if err != nil {
		w.Header().Set("Retry-After", "10")
		writeError(w, http.StatusServiceUnavailable, err, "close pages that are open on mtawatch, or ask /api/v1/status now and then")
		return
	}
	defer l.Leave()
	st, err := h.status(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", typeEvents)
	w.Header().Set("X-Accel-Buffering", "no") // a proxy must not gather what is to be seen now
	s := &eventStream{w: w, out: http.NewResponseController(w)}
	s.text(fmt.Sprintf("retry: %d\n\n", comeBack.Milliseconds()))
	s.send(view.Event{Hello: &view.Hello{Version: h.opts.Version.Version, Role: h.role(r), Interval: h.opts.Interval}})
	s.send(view.Event{Status: &st})
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for s.flush() {
		select {
		case <-r.Context().Done():
			return
		case e, ok := <-l.Events():
			if !ok {
				return
			}
			s.send(h.shownEvent(e))
		case <-beat.C:
			if h.opts.Still != nil && !h.opts.Still(access.From(r.Context())) {
				return
			}
			s.text(": still here\n\n")
		}
	}
}

// shownEvent takes off an event what this door does not show.
func (h *handler) shownEvent(e view.Event) view.Event {
	switch {
	case e.Change != nil:
		c := *e.Change
		c.Finding = h.shown([]mta.Finding{c.Finding})[0]
		e.Change = &c
	case e.Status != nil:
		st := *e.Status
		st.Findings = h.shown(st.Findings)
		e.Status = &st
	}
	return e
}

// eventStream writes Server-Sent Events; after the first error nothing more.
type eventStream struct {
	w   io.Writer
	out *http.ResponseController
	buf bytes.Buffer
	err error
}

func (s *eventStream) text(t string) { s.buf.WriteString(t) }

// send puts one event to be written. JSON has no line breaks, so that one
// line of data is enough.
func (s *eventStream) send(e view.Event) {
	name, data := view.EventStatus, any(e.Status)
	switch {
	case e.Hello != nil:
		name, data = view.EventHello, e.Hello
	case e.Change != nil:
		name, data = view.EventFinding, e.Change
	}
	text, err := json.Marshal(data)
	if err != nil {
		s.err = errors.Join(s.err, err)
		return
	}
	fmt.Fprintf(&s.buf, "event: %s\ndata: %s\n\n", name, text)
}

// flush writes what was put; false when nobody reads.
func (s *eventStream) flush() bool {
	if s.err != nil {
		return false
	}
	if err := s.out.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		s.err = err
		return false
	}
	if _, s.err = s.w.Write(s.buf.Bytes()); s.err == nil {
		s.err = s.out.Flush()
	}
	s.buf.Reset()
	return s.err == nil
}

// Events listens until ctx ends or yield gives false, and calls yield with
// what happens. It ends with an error when the stream does.
func (c *Client) Events(ctx context.Context, yield func(view.Event) bool) error {
	res, err := c.do(ctx, "/events", nil, typeEvents)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	name := ""
	for lines.Scan() {
		field, value, _ := bytes.Cut(lines.Bytes(), []byte(": "))
		switch string(field) {
		case "event":
			name = string(value)
		case "data":
			e, err := readEvent(name, value)
			if err != nil {
				return fmt.Errorf("read events of %s: %w", c.address, err)
			}
			if e != (view.Event{}) && !yield(e) {
				return nil
			}
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read events of %s: %w", c.address, err)
	}
	return fmt.Errorf("read events of %s: the stream was cut: %w", c.address, io.ErrUnexpectedEOF)
}

// readEvent reads the data of one event; one with an unknown name is empty.
func readEvent(name string, data []byte) (view.Event, error) {
	var e view.Event
	var err error
	switch name {
	case view.EventHello:
		err = json.Unmarshal(data, &e.Hello)
	case view.EventFinding:
		err = json.Unmarshal(data, &e.Change)
	case view.EventStatus:
		err = json.Unmarshal(data, &e.Status)
	}
	return e, err
}
