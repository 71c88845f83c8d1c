package watched

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/history"
	"github.com/mtawatch/mtawatch/internal/lab/stage"
)

// Practice says how a practice MTA is run for someone who looks on. Stage and
// the functions are required.
type Practice struct {
	Stage stage.Config
	Watch bool          // with mtawatch watching
	Days  int           // of the past that it has learned
	For   time.Duration // end after this time; 0 goes on until ctx ends

	Command  string                               // how mtawatch is called in what is advised
	Say      func(text string)                    // lines for people
	Progress func(what string, done, total int64) // of long work
}

const (
	warmUp   = 15 * time.Second // of watching, for more than one reading of each source
	progress = 1000             // parts of the making of the past
)

// Run runs it. With Watch and For, it is an error when one of the commands
// that are shown does not tell of the traffic.
func (p Practice) Run(ctx context.Context) error {
	start := time.Now()
	p.Stage.Say = p.Say
	s, err := stage.New(p.Stage)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if p.For > 0 {
		ctx, cancel = context.WithDeadline(ctx, start.Add(p.For))
		defer cancel()
	}
	up, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.Run(ctx, func() { close(up) }) }()
	select {
	case <-up:
	case err := <-ended:
		if err == nil {
			err = errors.New("it ended before the practice MTA had come up")
		}
		return err
	}
	p.Say(addresses(s))
	var problem error
	if p.Watch {
		problem = p.watch(ctx, s)
	} else {
		p.Say(p.advice(s))
	}
	if problem == nil || p.For > 0 {
		<-ctx.Done()
	}
	p.Say("ending ...")
	cancel()
	return errors.Join(problem, <-ended)
}

// watch starts mtawatch on the stage, shows what it says, and goes on until
// ctx ends.
func (p Practice) watch(ctx context.Context, s *stage.Stage) error {
	w, err := New(Config{Binary: p.Stage.Binary, Dir: filepath.Join(s.Site.Base, "mtawatch"), Stage: s})
	if err != nil {
		return err
	}
	began := time.Now()
	p.Say(fmt.Sprintf("making %d days of ordinary mail for mtawatch to learn from ...", p.Days))
	err = history.Make(ctx, w.DataDir(), history.Config{Series: true, Stage: s, Days: p.Days, Rate: p.Stage.Rate, Day: p.Stage.Day, Now: began,
		Progress: func(done float64) { p.Progress("learning", int64(done*progress), progress) }})
	if err != nil {
		return err
	}
	p.Say(fmt.Sprintf("learned %d days in %s", p.Days, time.Since(began).Round(100*time.Millisecond)))
	if err := w.Start(); err != nil {
		return err
	}
	defer func() { _ = w.Stop() }() // what it could not store was practice
	if err := w.WaitReady(ctx); err != nil {
		return err
	}
	p.Say(fmt.Sprintf("mtawatch watches; this is what it tells after %s ...", warmUp))
	t := time.NewTimer(warmUp)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return errors.New("it ended before mtawatch could tell anything; give --for more time")
	case <-t.C:
	}
	problem := p.visit(ctx, w)
	p.Say(p.watchedAdvice(s, w))
	<-ctx.Done()
	return problem
}

// visit prints what the five commands say, and gives an error when one of
// them did not show the traffic.
func (p Practice) visit(ctx context.Context, w *Watcher) error {
	var problem error
	for _, c := range []struct {
		name  string
		codes int      // largest exit status that is right
		proof []string // what its --json must hold
	}{
		{"status", 2, []string{`"practice"`, `"imta"`}},
		{"queue", 0, []string{`"tcp_local"`}},
		{"failures", 0, []string{`"` + stage.Instance + `"`}},
		{"connections", 0, []string{"127."}},
		{"processes", 0, []string{"dispatcher", "job-controller"}},
	} {
		out, stderr, code, err := w.Run(ctx, c.name)
		p.Say("\n$ mtawatch " + c.name + "\n" + string(out) + string(stderr))
		if err != nil || code > c.codes || len(out) == 0 {
			problem = errors.Join(problem, fmt.Errorf("%s: exit status %d: %w", c.name, code, err))
			continue
		}
		out, _, _, err = w.Run(ctx, c.name, "--json")
		for _, proof := range c.proof {
			if err != nil || !strings.Contains(string(out), proof) {
				problem = errors.Join(problem, fmt.Errorf("%s --json does not show %s: %.2000s", c.name, proof, out))
			}
		}
	}
	return problem
}

func addresses(s *stage.Stage) string {
	return fmt.Sprintf(`A practice MTA runs in %s: for practice on this machine only. It listens on loopback, and
its mail goes nowhere else.
  SMTP 127.0.0.1:%d, submission 127.0.0.1:%d, Job Controller 127.0.0.1:%d, name server 127.0.0.1:%d,
  remote sites on port %d of 127.20.0.x; users of %s have the password practice-NAME
  log   %s
  queue %s`,
		s.Site.Base, s.Ports.SMTP, s.Ports.Submit, s.Ports.Jobs, s.Ports.Names, s.Ports.Remote, stage.Domain,
		filepath.Join(s.Site.LogDir(), "mail.log_current"), s.Site.QueueDir())
}

// tries adds what may be done to a running lab.
func (p Practice) tries(s *stage.Stage, first [][2]string) [][2]string {
	lab := p.Command + " lab"
	if b, err := DefaultBase(); err != nil || b != s.Site.Base {
		lab += " --base " + s.Site.Base
	}
	pid := func(name string) string {
		if c := s.Process(name); c != nil {
			return fmt.Sprint(c.PID)
		}
		return "PID"
	}
	lines := [][2]string{
		{"kill -9 " + pid(stage.Dispatcher), "the Dispatcher dies: clients are refused"},
		{lab + " start dispatcher", "start it again"},
		{lab + " stop job_controller", "mail comes in and stays"},
		{lab + " qm stop tcp_local", "an operator stops a channel"},
		{lab + " qm counters show", "the MTA's own view; also summarize, messages tcp_local, directory, held, ..."},
		{"export PATH=" + filepath.Dir(s.Site.Program("imsimta")) + ":$PATH", "imsimta, start-msg and stop-msg, of which findings speak"},
		{p.Command + " lab drill --list", "all of what can go wrong, by the clock"},
	}
	return append(first, lines...)
}

// aligned gives lines of two columns, indented.
func aligned(lines [][2]string) string {
	width := 0
	for _, l := range lines {
		width = max(width, len(l[0]))
	}
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, l[0], l[1])
	}
	return b.String()
}

func (p Practice) advice(s *stage.Stage) string {
	return "\nTo try, from another terminal:\n" + aligned(append(p.tries(s, nil),
		[2]string{p.Command + " lab --watch", "all this, with mtawatch watching it"})) + "Ctrl-C ends it."
}

func (p Practice) watchedAdvice(s *stage.Stage, w *Watcher) string {
	first := [][2]string{{p.Command + " --server " + w.Address() + " status", "and any other command; top stays open"}}
	return fmt.Sprintf("\nIt goes on: http://%s/ has the pages and the API, http://%s/metrics the metrics. From another terminal:\n%s"+
		"What mtawatch run says is in %s. Ctrl-C ends it all.", w.Address(), w.Address(), aligned(p.tries(s, first)), w.LogFile())
}
