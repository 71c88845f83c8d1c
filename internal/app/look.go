package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/host"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/sample"
	"github.com/mtawatch/mtawatch/internal/tail"
	"github.com/mtawatch/mtawatch/internal/view"
)

const (
	lookBytes = 64 << 20         // how much of the end of each log a look reads, a MiB at a time
	lookTime  = 20 * time.Second // how long reading all logs may take
)

// look reads the machine once, as it is: each part when a question needs it.
// A nil look does nothing: the daemon has read it all.
type look struct {
	src       *Source
	logTime   time.Duration
	readQueue sync.Once
	readLogs  sync.Once
	readRest  sync.Once
}

// Look answers from the machine as it is, for the commands that find no
// daemon: queue, sockets, processes and the end of each log, through the same
// belt, with nothing stored. The function ends the look.
func Look(ctx context.Context, cfg config.Config) (view.Source, func() error, error) {
	loc, err := cfg.Location()
	if err != nil {
		return nil, nil, err
	}
	if err := knownMTAs(cfg); err != nil {
		return nil, nil, err
	}
	machine := host.New(host.Config{})
	adapters := all.Adapters()
	belt := pipeline.New(pipeline.Config{Interval: cfg.Interval, Location: loc, Adapters: adapters})
	src := &Source{belt: belt, machine: machine, adapters: adapters, cfg: cfg, location: loc, started: time.Now()}
	src.look = &look{src: src, logTime: lookTime}
	instances, err := detector(cfg, machine, adapters)(ctx)
	if err != nil && len(instances) == 0 {
		return nil, nil, err
	}
	belt.SetInstances(instances)
	belt.Detected(time.Now(), err)
	return src, func() error { return nil }, nil
}

// queues counts and lists every queue. Where the listing does not say for
// whom mail waits, the logs are read first: they do.
func (l *look) queues(ctx context.Context) {
	if l == nil {
		return
	}
	l.readQueue.Do(func() {
		for _, in := range l.src.belt.Instances() {
			if a := l.src.adapter(in.MTA); a != nil {
				readQueue(ctx, l.src.belt, l.src.machine, a, in)
				if l.src.belt.RecipientsUnknown(in.Name) {
					l.logs(ctx)
					readQueue(ctx, l.src.belt, l.src.machine, a, in)
				}
			}
		}
	})
}

// logs reads the end of every log, once though instances share it. A log
// that is not read to its end in time becomes a blind spot.
func (l *look) logs(ctx context.Context) {
	if l == nil {
		return
	}
	l.readLogs.Do(func() {
		within, cancel := context.WithTimeout(ctx, l.logTime)
		defer cancel()
		for _, log := range distinctLogs(l.src.belt.Instances()) {
			err := readEnd(within, l.src.belt, log)
			if log.Quiet && errors.Is(err, fs.ErrNotExist) {
				continue // gone with its daemon
			}
			if err != nil && within.Err() != nil && ctx.Err() == nil {
				err = fmt.Errorf("it was not read to its end within %s: what is known of it is not whole", l.logTime)
			}
			if err != nil {
				l.src.belt.Blind(log.Name(), &mta.BlindSpot{Source: log.Name(), Kind: mta.BlindUnreadable, Since: time.Now(), Text: err.Error(), Advice: "see `mtawatch doctor`"})
			}
		}
	})
}

// distinctLogs gives the logs of all instances, each once.
func distinctLogs(instances []mta.Instance) []mta.LogSource {
	var list []mta.LogSource
	seen := make(map[string]bool)
	for _, in := range instances {
		for _, log := range in.Logs {
			if !seen[log.Name()] {
				seen[log.Name()] = true
				list = append(list, log)
			}
		}
	}
	return list
}

// machine reads sockets and processes.
func (l *look) machine(ctx context.Context) {
	if l == nil {
		return
	}
	l.readRest.Do(func() {
		s := l.src
		instances := s.belt.Instances()
		conns, err := s.machine.Sockets(ctx, sample.Ports(instances, s.cfg.Ports))
		if err != nil {
			conns = mta.Connections{Time: time.Now(), Unknown: err.Error()}
		}
		s.belt.SetConnections(conns)
		procs, err := sample.Processes(ctx, s.machine, s.adapters, instances)
		failed := ""
		if err != nil {
			failed = err.Error()
		}
		s.belt.SetProcesses(time.Now(), procs, failed)
	})
}

// readEnd gives the belt the last lines of one log.
func readEnd(ctx context.Context, b *pipeline.Belt, l mta.LogSource) error {
	if l.Kind == mta.LogJournal {
		return readJournal(ctx, b, l)
	}
	return tail.ReadEnd(ctx, tail.Config{}, l.Path, lookBytes, b)
}

// errAtEnd ends the reading of a journal when it has nothing more.
var errAtEnd = errors.New("at the end")

// readJournal gives the belt what the journal holds, up to its present end.
func readJournal(ctx context.Context, b *pipeline.Belt, l mta.LogSource) error {
	u := &untilEnd{Belt: b}
	err := tail.Follow(ctx, tail.Config{}, l, "", u)
	switch {
	case errors.Is(err, errAtEnd) && u.lines == 0:
		return errors.New("the last 24 hours of the journal hold no line of this mail server")
	case errors.Is(err, errAtEnd) && u.spot != nil:
		return errors.New(u.spot.Text)
	case errors.Is(err, errAtEnd):
		return nil
	}
	return err
}

// startPolls is how many polls a journalctl may take to give its first line.
const startPolls = 12

// untilEnd is the belt as a sink that stops at the end of the source, and at
// a source that cannot be read.
type untilEnd struct {
	*pipeline.Belt
	lines int
	idle  int
	spot  *mta.BlindSpot
}

func (u *untilEnd) Batch(ctx context.Context, t tail.Batch) error {
	u.lines += strings.Count(t.Text, "\n")
	if err := u.Belt.Batch(ctx, t); err != nil {
		return err
	}
	if t.AtEnd {
		return errAtEnd
	}
	return nil
}

func (u *untilEnd) Blind(name string, spot *mta.BlindSpot) {
	u.spot = spot
	u.Belt.Blind(name, spot)
}

func (u *untilEnd) Idle(context.Context, string) error {
	if u.idle++; u.lines > 0 || u.spot != nil || u.idle > startPolls {
		return errAtEnd
	}
	return nil
}
