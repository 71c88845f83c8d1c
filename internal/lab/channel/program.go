package channel

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/jobs"
	"github.com/mtawatch/mtawatch/internal/lab/maillog"
	"github.com/mtawatch/mtawatch/internal/lab/notice"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// program is what all channel programs share: a site, a channel, and what they
// do with a message that is locked and open.
type program struct {
	site    *site.Site
	channel string
	queue   *queue.Queue
	log     *maillog.Log
	client  *jobs.Client
	notices *notice.Sender
	deliver func(ctx context.Context, a *attempt) []outcome
	stderr  io.Writer
	serial  atomic.Int64
}

// attempt is one try to deliver a message.
type attempt struct {
	*queue.Message
	process string // of this transaction, for the log
	thread  int
}

// outcome is what became of one recipient, in their order.
type outcome struct {
	kind       kind
	to         string // as the log shows the recipient; "": the address
	esmtp      bool
	none       bool   // the other side never had the text: no blocks
	tells      bool   // the other side tells of a delivery, who wants to know it
	status     string // enhanced status code
	diagnostic string // for the log
	said       string // for the sender
	remote     string // who said it
}

type kind uint8

const (
	delayed kind = iota
	delivered
	failed
)

// run is the way of a channel program: its own path tells the site, -channel
// the channel, standard input the messages.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, prepare func(*program) (end func(), err error)) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// Results for a controller that is gone must not end us before the other
	// messages in our hands are done.
	signal.Ignore(syscall.SIGPIPE)
	complain := func(err error) int {
		_, _ = fmt.Fprintf(stderr, "%s %v\n", time.Now().Format("02-Jan-2006 15:04:05.00"), err)
		return 1
	}
	flags := flag.NewFlagSet("channel program", flag.ContinueOnError)
	flags.SetOutput(stderr)
	channel := flags.String("channel", "", "the channel whose messages it delivers")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	s, err := site.Open(site.BaseOf(os.Args[0]))
	if err != nil {
		return complain(err)
	}
	if _, ok := s.Channel(*channel); !ok {
		return complain(fmt.Errorf("no channel %q", *channel))
	}
	p := newProgram(s, *channel, stderr)
	end, err := prepare(p)
	if err != nil {
		return complain(err)
	}
	defer end()
	if err := jobs.Serve(ctx, stdin, stdout, p.one); err != nil {
		return complain(err)
	}
	return 0
}

func newProgram(s *site.Site, channel string, stderr io.Writer) *program {
	log, client := maillog.Open(s), jobs.NewClient(s)
	return &program{site: s, channel: channel, queue: queue.Open(s), log: log, client: client, notices: notice.New(s, log, client), stderr: stderr}
}

func (p *program) complain(format string, args ...any) {
	_, _ = fmt.Fprintf(p.stderr, "%s "+format+"\n", append([]any{time.Now().Format("02-Jan-2006 15:04:05.00")}, args...)...)
}

// one delivers one message. What can have become of it without us is Busy: the
// controller looks itself.
func (p *program) one(ctx context.Context, thread int, name string) jobs.Result {
	busy := jobs.Result{State: jobs.Busy}
	e, err := p.queue.Stat(name)
	if err != nil || e.Held {
		return busy
	}
	m, err := p.queue.Lock(e)
	if queue.Broken(err) {
		_, herr := p.queue.Hold(e)
		p.complain("hold what is no whole message: %v", errors.Join(err, herr))
		return jobs.Result{State: jobs.Held}
	}
	if err != nil {
		return busy
	}
	defer m.Close()
	a := &attempt{Message: m, thread: thread, process: maillog.Process(os.Getpid(), thread, int(p.serial.Add(1)))}
	outcomes := p.deliver(ctx, a)
	if outcomes == nil || len(outcomes) != len(m.Recipients) {
		return busy
	}
	return p.finish(a, outcomes)
}

// finish makes the outcomes last: first the notifications, then the log, then
// the queue file. Killed in between, the message is tried again and the log
// says that it had been delivered.
func (p *program) finish(a *attempt, outcomes []outcome) jobs.Result {
	p.notify(a, outcomes)
	r := jobs.Result{Blocks: a.Blocks(), InQueue: max(time.Since(a.Arrived), 0)}
	var still []queue.Recipient
	last := ""
	for i, o := range outcomes {
		switch o.kind {
		case delivered:
			r.Delivered++
		case failed:
			r.Failed++
		default:
			r.Delayed++
			still = append(still, a.Recipients[i])
			last = o.diagnostic
		}
	}
	if err := p.log.Write(p.records(a, outcomes, r)...); err != nil {
		p.complain("%v", err)
	}
	if len(still) == 0 {
		r.State = jobs.Done
		if err := a.Remove(); err != nil {
			p.complain("%v", err)
		}
		return r
	}
	e, err := a.Attempted(still, time.Now().Format(time.RFC3339)+" "+last)
	if err != nil {
		p.complain("%v", err)
	}
	r.State, r.Now = jobs.Later, e.Name()
	return r
}

// notify tells the sender of what failed, and of what did not where that is
// wanted. If a failure cannot be told, it has not failed yet.
func (p *program) notify(a *attempt, outcomes []outcome) {
	fates := map[notice.Kind][]notice.Fate{}
	add := func(k notice.Kind, i int) {
		o := &outcomes[i]
		if notice.Wanted(a.From, a.Recipients[i], k) {
			fates[k] = append(fates[k], notice.Fate{Recipient: a.Recipients[i], Status: o.status, Diagnostic: o.said, Remote: o.remote})
		}
	}
	for i, o := range outcomes {
		switch {
		case o.kind == failed:
			add(notice.Failed, i)
		case o.kind == delivered && p.channel == site.ChannelStore:
			add(notice.Delivered, i)
		case o.kind == delivered && !o.tells:
			add(notice.Relayed, i)
		}
	}
	for k, list := range fates {
		err := p.notices.Send(k, p.channel, a.process, a.Message, list)
		if err == nil {
			continue
		}
		p.complain("%v", err)
		for i, o := range outcomes {
			if k == notice.Failed && o.kind == failed && notice.Wanted(a.From, a.Recipients[i], k) {
				outcomes[i].kind = delayed
			}
		}
	}
}

// records are the lines for the outcomes: D, R (K where the sender wants to
// hear nothing), Q, and Z where others of the message are done.
func (p *program) records(a *attempt, outcomes []outcome, r jobs.Result) []*maillog.Record {
	list := make([]*maillog.Record, len(outcomes))
	for i, o := range outcomes {
		rcpt := a.Recipients[i]
		code := "Q"
		switch {
		case o.kind == delivered:
			code = "D"
		case o.kind == failed && a.From != "" && !notice.Wanted(a.From, rcpt, notice.Failed):
			code = "K"
		case o.kind == failed:
			code = "R"
		case r.Delivered+r.Failed > 0:
			code = "Z"
		}
		if o.esmtp {
			code += "E"
		}
		blocks := a.Blocks()
		if o.none {
			blocks = 0
		}
		to := o.to
		if to == "" {
			to = rcpt.Address
		}
		list[i] = &maillog.Record{Process: a.process, Source: p.channel, Code: code, Blocks: blocks, From: a.From, NoFrom: a.From == "",
			OrigTo: original(rcpt), To: to, Notary: rcpt.Notify, File: a.Entry.Path, EnvelopeID: a.EnvelopeID, MessageID: a.MessageID,
			User: a.User, System: a.System, Diagnostic: o.diagnostic, QueueTime: r.InQueue}
	}
	return list
}
