package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// Asker finds who answers, the daemon or a look at the machine, and has the
// question put to it.
type Asker func(ctx context.Context, question func(view.Source) error) error

// question is what one answer must hold beside the status.
type question struct {
	tab      tab
	failing  bool // the failures beside the signs
	instance string
	messages *view.MessageQuery // the messages of a destination that is looked into
	charts   time.Duration      // how much of the past is asked for; 0 for none
}

// answer is all that one question got.
type answer struct {
	question
	at          time.Time
	status      view.Status
	queue       *view.Queue
	failures    *view.Failures
	connections *view.Connections
	processes   *view.Processes
	findings    *view.Findings
	messages    *view.Messages
	noMessages  error         // why there are none
	took        time.Duration // to list the messages
	charts      map[mta.Sign]view.Charts
	err         error
}

// tick says that it is time to ask again.
type tick struct{ turn int }

// patience is how long an answer may take.
const patience = 15 * time.Second

// messagesShare is how much longer than listing the messages took they stand: for
// them the whole queue is read each time.
const messagesShare = 50

// maxRows is how many rows of a table are asked for.
const maxRows = 200

// ask puts the question.
func ask(ctx context.Context, asker Asker, q question) tea.Msg {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	a := answer{question: q}
	a.err = asker(ctx, func(s view.Source) (err error) {
		if a.status, err = s.Status(ctx); err != nil {
			return err
		}
		a.chart(ctx, s)
		return a.more(ctx, s)
	})
	a.at = time.Now()
	a.status.Verdict = a.status.Judge()
	return a
}

// chart asks for the past of the signs. A daemon that cannot tell it is no
// error: what was seen since the view began is shown then.
func (a *answer) chart(ctx context.Context, s view.Source) {
	if a.question.charts == 0 || a.status.Daemon == nil {
		return
	}
	got := make(map[mta.Sign]view.Charts)
	for _, sign := range [...]mta.Sign{mta.SignQueues, mta.SignFailures, mta.SignConnections, mta.SignDaemons} {
		c, err := s.Chart(ctx, view.ChartQuery{Instance: a.instance, Sign: sign, Span: a.question.charts})
		if err != nil {
			return
		}
		got[sign] = c
	}
	a.charts = got
}

// more asks what the tab shows.
func (a *answer) more(ctx context.Context, s view.Source) (err error) {
	switch {
	case a.tab == tabQueue:
		var v view.Queue
		v, err = s.Queue(ctx, view.QueueQuery{Instance: a.instance, Top: maxRows})
		a.queue = &v
		if err == nil && a.question.messages != nil {
			var m view.Messages
			begun := time.Now()
			m, a.noMessages = s.Messages(ctx, *a.question.messages)
			a.messages, a.took = &m, time.Since(begun)
		}
	case a.tab == tabFailures, a.failing:
		var v view.Failures
		v, err = s.Failures(ctx, view.FailureQuery{Instance: a.instance, Window: time.Hour, Top: maxRows})
		a.failures = &v
	case a.tab == tabConnections:
		var v view.Connections
		v, err = s.Connections(ctx, view.ConnectionQuery{Top: maxRows})
		a.connections = &v
	case a.tab == tabDaemons:
		var v view.Processes
		v, err = s.Processes(ctx, view.ProcessQuery{Instance: a.instance})
		a.processes = &v
	case a.tab == tabFindings:
		var v view.Findings
		v, err = s.Findings(ctx, view.FindingQuery{Limit: 100})
		a.findings = &v
	}
	return err
}

// wait gives the next tick.
func wait(d time.Duration, turn int) tea.Cmd {
	return tea.Tick(d, func(time.Time) tea.Msg { return tick{turn} })
}
