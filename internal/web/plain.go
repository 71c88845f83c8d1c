package web

import (
	"bytes"
	"cmp"
	"context"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/say"
	"github.com/mtawatch/mtawatch/internal/view"
)

// The rows of each table of the plain page.
const (
	topRows   = 20
	pastShown = 20
)

// facts is what the plain page shows. An answer that could not be had leaves
// a reason in Missing.
type facts struct {
	Session
	Now      time.Time
	Refresh  int // seconds
	Instance string
	Status   view.Status
	Open     []mta.Finding // that nobody knows of yet
	Held     []mta.Finding // acknowledged or silenced
	Past     []mta.Finding
	NoPast   string // why those are not known
	Queue    view.Queue
	Failures view.Failures
	Conns    view.Connections
	Procs    view.Processes
	Missing  []string
	App      bool // there is a dashboard
}

// one is the page of one finding.
type one struct {
	Session
	Now     time.Time
	Refresh int
	Finding mta.Finding
	App     bool
}

// refreshEvery is how often the plain page loads itself anew, in seconds.
const refreshEvery = 30

// servePlain shows everything on one page.
func (p *pages) servePlain(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	src := p.cfg.Source
	f := facts{Session: p.session(r), Refresh: refreshEvery, Instance: r.URL.Query().Get("instance"), App: p.app != nil}
	if len(f.Instance) > 200 {
		http.Error(w, "there is no such instance", http.StatusBadRequest)
		return
	}
	st, err := src.Status(ctx)
	if err != nil {
		http.Error(w, "the status is not known: "+say.Clean(err.Error()), status(err))
		return
	}
	f.Status, f.Now = st, st.Time
	f.Status.Findings = p.shown(st.Findings)
	for _, x := range f.Status.Findings {
		if x.Held() {
			f.Held = append(f.Held, x)
		} else {
			f.Open = append(f.Open, x)
		}
	}
	if f.Queue, err = src.Queue(ctx, view.QueueQuery{Instance: f.Instance, Top: topRows}); err != nil {
		if status(err) == http.StatusBadRequest {
			http.Error(w, say.Clean(err.Error()), http.StatusBadRequest)
			return
		}
		f.Queue = view.Queue{Unknown: f.miss("queue", err)}
	}
	if f.Failures, err = src.Failures(ctx, view.FailureQuery{Instance: f.Instance, Top: topRows}); err != nil {
		f.Failures = view.Failures{Unknown: f.miss("failures", err)}
	}
	if f.Conns, err = src.Connections(ctx, view.ConnectionQuery{Top: topRows}); err != nil {
		f.Conns = view.Connections{Unknown: f.miss("connections", err)}
	}
	if f.Procs, err = src.Processes(ctx, view.ProcessQuery{Instance: f.Instance}); err != nil {
		f.Procs = view.Processes{Unknown: f.miss("processes", err)}
	}
	past, err := src.Findings(ctx, view.FindingQuery{Limit: pastShown})
	if f.Past = past.Past; err != nil {
		f.NoPast = f.miss("past findings", err)
	}
	p.render(w, r, http.StatusOK, "page", f)
}

// miss notes what could not be had, and gives why.
func (f *facts) miss(what string, err error) string {
	f.Missing = append(f.Missing, what+": "+err.Error())
	return err.Error()
}

// serveFinding shows one finding, open or past.
func (p *pages) serveFinding(w http.ResponseWriter, r *http.Request, id string) {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	list, err := p.cfg.Source.Findings(ctx, view.FindingQuery{ID: id, Limit: 1})
	switch {
	case err != nil:
		http.Error(w, "the finding is not known: "+say.Clean(err.Error()), status(err))
	case len(list.Open)+len(list.Past) == 0:
		p.lost(w, r, true)
	default:
		found := p.shown(append(list.Open, list.Past...))[0]
		o := one{Session: p.session(r), Now: cmp.Or(list.Time, time.Now()), Finding: found, App: p.app != nil}
		if found.End.IsZero() {
			o.Refresh = refreshEvery
		}
		p.render(w, r, http.StatusOK, "one", o)
	}
}

// nowhere is the page of an address that has none.
type nowhere struct {
	Session
	Finding bool // the address is of a finding
	App     bool
	Views   []appView
}

func (p *pages) lost(w http.ResponseWriter, r *http.Request, finding bool) {
	p.render(w, r, http.StatusNotFound, "lost", nowhere{Session: p.session(r), Finding: finding, App: p.app != nil, Views: appViews[:]})
}

func (p *pages) session(r *http.Request) Session {
	if p.cfg.Session == nil {
		return Session{}
	}
	return p.cfg.Session(r)
}

func (p *pages) shown(list []mta.Finding) []mta.Finding {
	if p.cfg.NoLines {
		return view.WithoutLines(list)
	}
	return list
}

// render writes a page whole, or an error.
func (p *pages) render(w http.ResponseWriter, r *http.Request, code int, name string, data any) {
	var b bytes.Buffer
	if err := p.sheets.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "the page could not be made: "+say.Clean(err.Error()), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin") // without a referrer the Origin of the form that logs out would be "null"
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(code)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // the reader may be gone
	}
}

// words are the functions of the templates: text is cleaned, and times and
// figures are put into words as everywhere.
func words() template.FuncMap {
	return template.FuncMap{
		"clean":       say.Clean,
		"sentence":    sentence,
		"verdict":     say.Verdict,
		"headline":    func(s view.Status) string { return say.Headline(&s) },
		"severity":    say.Severity,
		"since":       func(now time.Time, f mta.Finding) string { return say.Since(now, &f) },
		"evidence":    func(now time.Time, e mta.Evidence) string { return say.Evidence(now, &e) },
		"clock":       say.Clock,
		"age":         say.Age,
		"usual":       usual,
		"pair":        func(now time.Time, f mta.Finding) one { return one{Now: now, Finding: f} },
		"queue":       say.Queue,
		"failures":    say.Failures,
		"connections": say.Connections,
		"processes":   say.Processes,
		"port":        say.Port,
		"scope":       say.Scope,
		"learned":     say.Learned,
		"unseen":      func(s view.Status) []view.Unseen { return s.Unseen() },
		"donot":       say.WithoutDoNot,
		"count":       say.Count,
		"bytes":       say.Bytes,
		"cover":       say.Cover,
		"escape":      url.PathEscape,
	}
}

// part is a part of a sentence.
type part struct {
	Text string
	Code bool
}

// sentence cuts a text, clean, at the backticks that its commands stand in.
// One without its second is text.
func sentence(text string) []part {
	cut := strings.Split(say.Clean(text), "`")
	if n := len(cut); n%2 == 0 {
		cut = append(cut[:n-2], cut[n-2]+"`"+cut[n-1])
	}
	var list []part
	for i, t := range cut {
		if t != "" {
			list = append(list, part{t, i%2 == 1})
		}
	}
	return list
}

func usual(r *view.Range) string {
	if r == nil {
		return "not known"
	}
	return say.Counts(*r)
}
