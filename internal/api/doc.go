// Package api is the HTTP JSON API of mtawatch and its client. In come the
// questions of view.Source as GET requests under /api/v1; out go the answers
// as the JSON of package view. Both sides live here so that they cannot drift.
//
// Promised: an answer is either complete or an error with a status code of
// 400 or above and the body {"error": "...", "advice": "..."}; parameters are
// bounded and unknown ones refused; a page of another site cannot read it
// through the operator's browser (Guard); what people may say of findings is
// all that can be changed, by who may (package access).
//
// With Options.NoMessages, queue/messages and trace give status 403.
//
//	GET /api/v1/status       view.Status
//	GET /api/v1/queue        view.Queue        instance, queue (repeatable), top, fresh, counters
//	GET /api/v1/queue/messages  view.Messages  instance, queue, destination, sender, id, limit
//	GET /api/v1/queue/own    view.Own          instance, channel, and at least one of counters, waiting, processes
//	GET /api/v1/failures     view.Failures     instance, window, top, cause, destination, inbound
//	GET /api/v1/connections  view.Connections  port, state, top
//	GET /api/v1/processes    view.Processes    instance
//	GET /api/v1/chart        view.Charts       instance, sign or series, range, end
//	GET /api/v1/doctor       view.Doctor
//	GET /api/v1/trace        a stream of lines, see Line   text, since, limit
//	GET /api/v1/events       Server-Sent Events: hello (view.Hello), status (view.Status), finding (view.Change)
//	GET /api/v1/session      access.Session
//	GET /api/v1/silences     view.Silences
//	GET /api/v1/version      Version
//
//	POST   /api/v1/findings/ID/acknowledge   {"note", "by"}: mta.Finding
//	DELETE /api/v1/findings/ID/acknowledge
//	POST   /api/v1/silences                  {"code", "instance", "subject", "until", "note", "by"}: mta.Silence
//	DELETE /api/v1/silences/ID
//
// Those need the header X-CSRF-Token with the token of the session, unless a
// bearer token or the unix socket tells who asks.
package api

import (
	"github.com/mtawatch/mtawatch/internal/access"
	"github.com/mtawatch/mtawatch/internal/view"
)

// Prefix is where every route of the API begins.
const Prefix = "/api/v1"

// Version says which program answers.
type Version struct {
	Version string `json:"version"`          // "v0.1.0", or "devel"
	Commit  string `json:"commit,omitempty"` // with "+changes" when built from a changed tree
	Go      string `json:"go"`
}

// Line is one line of a trace: exactly one member is set. The last line has
// Summary or Error; a stream that ends without either was cut.
type Line struct {
	Step     *view.TraceStep    `json:"step,omitempty"`
	Progress *view.Progress     `json:"progress,omitempty"`
	Summary  *view.TraceSummary `json:"summary,omitempty"`
	Error    string             `json:"error,omitempty"`
	Advice   string             `json:"advice,omitempty"` // beside Error
}

// errorBody is the answer of every request that failed.
type errorBody struct {
	Error  string `json:"error"`
	Advice string `json:"advice,omitempty"`
}

// markHeader is in every answer of ours, so that the client can tell
// mtawatch from another server on the same port.
const markHeader = access.MarkHeader

const (
	typeJSON   = "application/json; charset=utf-8"
	typeStream = "application/x-ndjson"
)
