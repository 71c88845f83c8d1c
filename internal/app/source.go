package app

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/api"
	"github.com/mtawatch/mtawatch/internal/classify"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/history"
	"github.com/mtawatch/mtawatch/internal/host"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/qshape"
	"github.com/mtawatch/mtawatch/internal/sample"
	"github.com/mtawatch/mtawatch/internal/state"
	"github.com/mtawatch/mtawatch/internal/tail"
	"github.com/mtawatch/mtawatch/internal/trace"
	"github.com/mtawatch/mtawatch/internal/track"
	"github.com/mtawatch/mtawatch/internal/view"
)

// Source answers the questions of package view from the belt and, where a
// question is about this very moment, from the machine.
type Source struct {
	belt     *pipeline.Belt
	machine  *host.Machine
	adapters []adapter.Adapter
	cfg      config.Config
	location *time.Location
	started  time.Time
	series   *history.Store // nil for a look
	look     *look          // no daemon: the machine is read when it is asked about
	fresh    freshLists
	own      ownTools
	imports  *importer // nil for a look
	practice string    // of view.Status
	habits   habits
	marks    *marker // nil for a look
}

var _ view.Source = (*Source)(nil)

// markPractice learns whether what is normal here was made for practice.
func (s *Source) markPractice(ctx context.Context, db *state.DB) error {
	text, _, err := db.Get(ctx, pipeline.BucketPractice, pipeline.PracticeText)
	s.practice = string(text)
	return err
}

// Status gives the four vital signs.
func (s *Source) Status(ctx context.Context) (view.Status, error) {
	s.look.queues(ctx)
	s.look.logs(ctx)
	s.look.machine(ctx)
	st := s.belt.Status(time.Now())
	for i := range st.Instances {
		s.inPart(&st.Instances[i])
	}
	st.Findings = s.marks.mark(st.Findings)
	if s.look == nil {
		st.Daemon = s.daemon(ctx)
		st.Imports = s.imports.running()
		st.Practice = s.practice
	}
	return st, nil
}

func (s *Source) daemon(ctx context.Context) *view.Daemon {
	d := &view.Daemon{Version: api.BuildVersion().Version, PID: os.Getpid(), Started: s.started, Dropped: s.series.Dropped()}
	if procs, err := s.machine.Processes(ctx); err == nil {
		for _, p := range procs {
			if p.PID == d.PID {
				d.Memory, d.CPU = p.Memory, p.CPU
			}
		}
	}
	return d
}

// Queue gives the queue by destination and age; with q.Fresh it lists the
// queue now, unless that was done for another asker in the last 10 s.
func (s *Source) Queue(ctx context.Context, q view.QueueQuery) (view.Queue, error) {
	if err := s.known(q.Instance); err != nil {
		return view.Queue{}, err
	}
	s.look.queues(ctx)
	if q.Counters {
		s.look.logs(ctx)
	}
	if q.Fresh && s.look == nil {
		for _, in := range s.belt.Instances() {
			if a := s.adapter(in.MTA); a != nil && (q.Instance == "" || q.Instance == in.Name) {
				s.fresh.do(ctx, in.Name, time.Now, func() bool { return readQueue(ctx, s.belt, s.machine, a, in) })
			}
		}
	}
	out := s.belt.Queue(q, time.Now())
	out.Unknown = cmp.Or(out.Unknown, s.nothing())
	return out, nil
}

// nothing says why an answer is unknown where no mail server is watched: it
// is not one of a server that has no mail and no trouble.
func (s *Source) nothing() string {
	if len(s.belt.Instances()) > 0 {
		return ""
	}
	return "no mail server was found on this machine; see `mtawatch doctor`"
}

// Messages lists single messages, read now.
func (s *Source) Messages(ctx context.Context, q view.MessageQuery) (view.Messages, error) {
	if err := s.known(q.Instance); err != nil {
		return view.Messages{}, err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	out := view.Messages{Time: time.Now()}
	old := oldest{limit: limit}
	var unknown []string
	filter := qshape.Filter{Queue: q.Queue, ID: q.ID, Sender: q.Sender, Destination: q.Destination}
	for _, in := range s.belt.Instances() {
		a := s.adapter(in.MTA)
		if q.Instance != "" && q.Instance != in.Name {
			continue
		}
		if a == nil || a.List == nil {
			unknown = append(unknown, in.Name+": its messages cannot be listed")
			continue
		}
		fill := s.belt.Filler(in.Name)
		for m, err := range a.List(ctx, s.machine, in) {
			if err != nil {
				unknown = append(unknown, in.Name+": "+err.Error())
				break
			}
			if len(m.Recipients) == 0 {
				s.look.logs(ctx) // only they tell for whom it waits
			}
			fill(&m)
			if filter.Takes(m) {
				old.add(view.MessageItem{Instance: in.Name, QueuedMessage: m})
			}
		}
	}
	out.Messages, out.More = old.sorted(), old.more
	out.Unknown = cmp.Or(strings.Join(unknown, "; "), s.nothing())
	return out, nil
}

// Failures gives the attempts that did not succeed.
func (s *Source) Failures(ctx context.Context, q view.FailureQuery) (view.Failures, error) {
	s.look.logs(ctx)
	if err := s.known(q.Instance); err != nil {
		return view.Failures{}, err
	}
	out := s.belt.Failures(q, time.Now())
	if why := s.nothing(); why != "" {
		out.Unknown, out.Attempts, out.Causes = why, nil, nil
	}
	return out, nil
}

// Connections gives the inbound sockets.
func (s *Source) Connections(ctx context.Context, q view.ConnectionQuery) (view.Connections, error) {
	s.look.machine(ctx)
	out := s.belt.Connections(q, time.Now())
	if out.Unknown == "" && len(s.cfg.Ports) == 0 { // ports that are named are watched anyhow
		out.Unknown = s.nothing()
	}
	return out, nil
}

// Processes gives the MTA's processes.
func (s *Source) Processes(ctx context.Context, q view.ProcessQuery) (view.Processes, error) {
	if err := s.known(q.Instance); err != nil {
		return view.Processes{}, err
	}
	s.look.machine(ctx)
	out := s.belt.Processes(q, time.Now())
	s.processesByTool(ctx, q, &out)
	out.Unknown = cmp.Or(out.Unknown, s.nothing())
	return out, nil
}

// Findings gives the open findings and those that were.
func (s *Source) Findings(_ context.Context, q view.FindingQuery) (view.Findings, error) {
	if q.Code != "" && q.Code.Sign() == "" {
		return view.Findings{}, fmt.Errorf("%w: no finding has the code %q", view.ErrQuestion, q.Code)
	}
	open, past := s.belt.Findings()
	f := q.Select(s.marks.mark(open), s.marks.mark(past))
	f.Time, f.Learned = time.Now(), s.belt.Learned()
	if s.look != nil {
		f.Unknown = "nothing is judged here: no daemon watches this machine"
	}
	return f, nil
}

// Metrics gives every series' present value.
func (s *Source) Metrics(context.Context) ([]mta.Sample, error) {
	return s.belt.Metrics(time.Now()), nil
}

// Trace looks for a message in the logs, rotated and compressed ones too.
func (s *Source) Trace(ctx context.Context, q view.TraceQuery, yield func(view.TraceStep) bool, progress func(view.Progress)) (view.TraceSummary, error) {
	var files []string
	var unread []string
	logOf := make(map[string]string) // the source by file
	instances := s.belt.Instances()
	for _, l := range distinctLogs(instances) {
		if l.Quiet {
			continue // of daemons: no message is named there
		}
		if l.Kind != mta.LogFile {
			unread = append(unread, l.Name()+": the journal is not searched; use `journalctl -g`")
			continue
		}
		list, err := tail.RotatedOf(l)
		if err != nil {
			unread = append(unread, err.Error())
		}
		for _, f := range list { // two names may be of one log
			if logOf[f] == "" {
				files = append(files, f)
				logOf[f] = l.Name()
			}
		}
	}
	for _, in := range instances {
		if len(in.Logs) == 0 {
			unread = append(unread, in.Name+": no log of it is known; see `mtawatch doctor`")
		}
	}
	if why := s.nothing(); why != "" {
		unread = append(unread, why)
	}
	t := trace.Tracer{Files: files, NewParsers: s.parsers(logOf), Annotate: s.annotate()}
	sum, err := t.Run(ctx, q, yield, progress)
	sum.Unread = append(sum.Unread, unread...)
	for _, in := range instances {
		if slices.ContainsFunc(sum.Files, func(f string) bool {
			return slices.ContainsFunc(in.Logs, func(l mta.LogSource) bool { return l.Name() == logOf[f] })
		}) {
			sum.Instances = append(sum.Instances, in.Name)
		}
	}
	return sum, err
}

// parsers gives what makes the parsers of one pass: each file is read by the
// mail server's that writes the log which it is of.
func (s *Source) parsers(logOf map[string]string) func() func(string) adapter.Parser {
	return func() func(string) adapter.Parser {
		made := make(map[string]adapter.Parser)
		return func(file string) adapter.Parser {
			log := logOf[file]
			if made[log] == nil {
				made[log] = s.parserOf(log)
			}
			return made[log]
		}
	}
}

// parserOf gives the parser of a log: of each mail server that writes it.
func (s *Source) parserOf(log string) adapter.Parser {
	return parserOf(s.adapters, s.belt.Instances(), log, s.location)
}

func parserOf(adapters []adapter.Adapter, instances []mta.Instance, log string, loc *time.Location) adapter.Parser {
	var list []adapter.Parser
	for i := range adapters {
		a, writes := &adapters[i], false
		cfg := adapter.ParserConfig{Location: loc}
		for _, in := range instances {
			if in.MTA != a.Name || !slices.ContainsFunc(in.Logs, func(l mta.LogSource) bool { return l.Name() == log }) {
				continue
			}
			writes = true
			if in.BaseDir != "" { // a log of its own, whose lines need not name the instance
				cfg.Instances = append(cfg.Instances, in)
			}
		}
		if writes {
			list = append(list, a.Parser(cfg))
		}
	}
	if len(list) == 0 {
		list = append(list, adapters[0].Parser(adapter.ParserConfig{Location: loc}))
	}
	return adapter.Shared(list)
}

// known gives an error for an instance that is not watched.
func (s *Source) known(instance string) error {
	if instance == "" {
		return nil
	}
	list := s.belt.Instances()
	for _, in := range list {
		if in.Name == instance {
			return nil
		}
	}
	return fmt.Errorf("%w: no instance %q is watched here; there is %s", view.ErrQuestion, instance, strings.Join(names(list), ", "))
}

func (s *Source) adapter(name string) *adapter.Adapter {
	for i := range s.adapters {
		if s.adapters[i].Name == name {
			return &s.adapters[i]
		}
	}
	return nil
}

// listTime is how long the mail server may take to list its queue when
// somebody waits for it.
const listTime = 30 * time.Second

// askedFor is how long a queue that was read for a question stands for now.
const askedFor = time.Minute

// readQueue counts and lists one queue now and gives it to the belt, which
// may be that it failed. When the asker leaves meanwhile nothing was found
// out: the belt keeps what it has, and the answer is false.
func readQueue(ctx context.Context, b *pipeline.Belt, m adapter.Host, a *adapter.Adapter, in mta.Instance) bool {
	within, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	now := time.Now()
	q, err := sample.Count(within, m, a, in, now)
	untried := make(pipeline.Arrivals)
	table, counts, lerr := sample.List(within, m, a, in, now, b.Filler(in.Name), untried.Untried)
	if ctx.Err() != nil {
		return false
	}
	if lerr != nil && within.Err() != nil {
		lerr = fmt.Errorf("list queue: no whole answer within %s: %w", listTime, lerr)
	}
	b.SetQueueTable(in.Name, pipeline.Listed(now, askedFor, table, counts, untried, lerr))
	switch {
	case err == nil:
	case lerr == nil:
		q = counts
	default:
		q = mta.Queue{Time: now, Instance: in.Name, Unknown: err.Error()}
	}
	b.SetQueue(q, askedFor)
	return true
}

// annotate gives the function that names the cause of one event.
func (s *Source) annotate() func(*mta.Event) {
	c := classify.New()
	return func(e *mta.Event) { e.Cause = track.Cause(c, e) }
}
