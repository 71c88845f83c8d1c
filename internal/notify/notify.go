// Package notify tells people and other programs of findings. A channel is a
// way out that does not pass through the mail server that is watched.
//
// Messages go in, one for each step in the life of a finding; each channel's
// loop sends what it has not yet told. A channel that is down is tried again,
// longer and longer apart, and is then told how things stand: steps between
// are left out. What was told is kept over a restart, so nothing is told
// twice, except what was sent in the moment before a kill.
package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// The events of a Message.
const (
	Opened   = "opened"
	Changed  = "changed"
	Resolved = "resolved"
	Reminder = "reminder" // it is still open; where Terms.Repeat asks for it
	Refresh  = "refresh"  // the same for a program; where Terms.Refresh asks for it
	Test     = "test"
)

// Message is what a channel sends: one step in the life of one finding.
type Message struct {
	Event   string       `json:"event"` // "opened", "changed", "resolved", "reminder", "refresh" or "test"
	Time    time.Time    `json:"time"`
	Text    string       `json:"text"` // one line for people, see Line
	Host    string       `json:"host"`
	URL     string       `json:"url,omitempty"` // of the dashboard; "" when there is none
	Finding mta.Finding  `json:"finding"`
	Before  *mta.Finding `json:"-"` // what this channel was told last; nil: nothing
}

// Channel is one way out. Send is asked again when retry is true; an error of
// type *RetryAfter says when at the earliest. The error carries no secret.
type Channel struct {
	Name  string // unique; what was told is kept under it
	Terms Terms
	Send  func(ctx context.Context, m Message) (retry bool, err error)
}

// Terms say what a channel is told, and when. Zero values: everything, a
// warning after Delay, attempts of 10 s, no reminders, no refreshing.
type Terms struct {
	Min     mta.Severity  // findings below are not told
	Delay   time.Duration // an opened finding is sent when it has been open so long; a critical one at once
	Timeout time.Duration // of one attempt
	Repeat  time.Duration // between reminders while it is open; 0: none
	Refresh time.Duration // between refreshing messages while it is open; 0: none
}

// DefaultTimeout bounds one attempt where Terms do not.
const DefaultTimeout = 10 * time.Second

// RetryAfter is an error with the time that the other side asked to be left alone.
type RetryAfter struct {
	After time.Duration
	Err   error
}

// Error gives the text of Err.
func (e *RetryAfter) Error() string { return e.Err.Error() }

// Unwrap gives Err.
func (e *RetryAfter) Unwrap() error { return e.Err }

// Line gives a message in one line: "resolved: CRITICAL on mx.example.org: title".
func Line(m Message) string {
	f := m.Finding
	var b strings.Builder
	if m.Event != Opened {
		b.WriteString(m.Event + ": ")
	}
	b.WriteString(strings.ToUpper(f.Severity.String()))
	if m.Host != "" {
		b.WriteString(" on " + m.Host)
	}
	b.WriteString(": " + f.Title)
	switch {
	case f.FoldedInto != "":
		b.WriteString(" (part of another finding)")
	case m.Event == Resolved && !f.End.IsZero() && f.End.After(f.Since):
		fmt.Fprintf(&b, " (lasted %s)", f.End.Sub(f.Since).Round(time.Second))
	}
	return Clean(b.String(), 500)
}

// Clean makes text fit for one line of at most so many bytes: titles and
// causes may quote what a stranger's server said.
func Clean(s string, most int) string {
	s = strings.ToValidUTF8(s, "?")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// NewTest makes the message that shows whether a channel works.
func NewTest(host, url string, now time.Time) Message {
	m := Message{Event: Test, Time: now, Host: host, URL: url, Finding: mta.Finding{
		ID: "test-" + now.UTC().Format("20060102T150405Z"), Code: "test", Severity: mta.SeverityInfo, Since: now, Noticed: now, End: now,
		Title: "mtawatch can reach you on this channel", Cause: "Somebody asked for a test message.",
		Evidence: []mta.Evidence{}, Advice: []string{"Nothing is to be done."}, Confidence: 1,
	}}
	m.Text = Line(m)
	return m
}
