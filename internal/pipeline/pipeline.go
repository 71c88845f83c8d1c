// Package pipeline is the belt: it takes what the sources bring through the
// stages in order and keeps the result.
//
//	tail.Batch ─► parse ─► track (+ classify) ─► meter ─┐
//	queue, sockets, processes ─► the latest readings ───┴─► a tick: samples
//	                                                            │
//	            state: places + counters + open messages, one transaction
//	                                                            │
//	                                                        history
//
// Counters and the places of the logs are committed together, so a kill at
// any moment loses no line and counts none twice: what was read after the
// last commit is read again, by counters that have forgotten it. Past time is
// the data's: lines read late close the ticks of their own time. Only this
// package and app start goroutines.
package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/sample"
	"github.com/mtawatch/mtawatch/internal/tail"
)

// Machine is the host as the live belt reads it.
type Machine interface {
	adapter.Host
	// Sockets reads the inbound side of the socket table for some ports.
	Sockets(ctx context.Context, ports []uint16) (mta.Connections, error)
	// Disk gives the space of a path's file system.
	Disk(path string) (mta.Disk, error)
}

// Exits tells at once when a process ends.
type Exits interface {
	// Add watches a process; one that is watched already is fine.
	Add(p mta.Process) error
	// Wait blocks until a watched process ends and gives it.
	Wait(ctx context.Context) (mta.Process, error)
}

// Live is what Run needs besides the belt.
type Live struct {
	Belt     *Belt
	Machine  Machine
	Exits    Exits // nil: an end is seen at the next reading of the processes
	Adapters []adapter.Adapter
	Detect   func(context.Context) ([]mta.Instance, error) // configured and found instances
	Ports    []uint16                                      // more ports to watch
	Tail     tail.Config
	// ListEvery is the least time between two listings of a queue, ListShare
	// the share of one core that listing may cost; zero: 60 s and 0.01.
	ListEvery time.Duration
	ListShare float64
	// Listing is called when a queue is listed: add gets every message, end
	// how it went and until when the listing stands for now. nil: nobody
	// wants to know.
	Listing func(instance string, now time.Time) (add func(mta.QueuedMessage), end func(until time.Time, err error))
	// Import is asked before a log is followed, with the place from which it will be, for what reads its
	// rotated pieces; that runs beside the watch. nil, or a nil answer: nothing does.
	Import func(ctx context.Context, src mta.LogSource, instances []mta.Instance, place string) func(context.Context)
	Logger *slog.Logger
}

// detectEvery is how often new and changed instances are looked for.
const detectEvery = 30 * time.Second

// Run watches until ctx ends, then commits once more. It ends early only
// when the belt itself cannot go on.
func Run(ctx context.Context, l Live) error {
	if l.ListEvery <= 0 {
		l.ListEvery = time.Minute
	}
	if l.ListShare <= 0 {
		l.ListShare = 0.01
	}
	g, ctx := errgroup.WithContext(ctx)
	r := &runner{Live: l, group: g, tails: make(map[string]*follower), lists: make(map[string]bool)}
	if err := r.detect(ctx); err != nil {
		l.Logger.Warn("detect", "error", err)
	}
	g.Go(func() error { return later(ctx, detectEvery, r.redetect) })
	g.Go(func() error { return every(ctx, l.Belt.cfg.Interval, r.readMachine) })
	g.Go(func() error { return every(ctx, l.Belt.cfg.Interval, r.tick) })
	g.Go(func() error { return r.watchExits(ctx) })
	g.Go(func() error { return every(ctx, missedEvery, r.lookForMissed) })
	err := g.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if cerr := l.Belt.Tick(last, time.Now()); cerr != nil && err == nil {
		err = fmt.Errorf("last commit: %w", cerr)
	}
	return err
}

// runner is the state of Run.
type runner struct {
	Live
	group     *errgroup.Group
	instances []mta.Instance       // of the last detection; guarded by the belt's lock through SetInstances
	tails     map[string]*follower // sources that are followed
	lists     map[string]bool      // instances whose queue is listed
}

// later is every without the call at once.
func later(ctx context.Context, d time.Duration, f func(context.Context) error) error {
	first := true
	return every(ctx, d, func(ctx context.Context) error {
		if first {
			first = false
			return nil
		}
		return f(ctx)
	})
}

// every calls f at once and then at each tick, until ctx ends. A call that
// takes longer than the interval delays the next: none piles up.
func every(ctx context.Context, d time.Duration, f func(context.Context) error) error {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		if err := f(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (r *runner) tick(ctx context.Context) error {
	// A store that fails is a blind spot, not the end: watching goes on.
	if err := r.Belt.Tick(ctx, time.Now()); err != nil && ctx.Err() == nil {
		r.Logger.Debug("tick", "error", err)
	}
	return nil
}

func (r *runner) redetect(ctx context.Context) error {
	if err := r.detect(ctx); err != nil && ctx.Err() == nil {
		r.Logger.Warn("detect", "error", err)
	}
	return nil
}

// detect finds the instances and starts what is new. An instance that was
// there before and is not found now is kept: it went down, and that is news.
func (r *runner) detect(ctx context.Context) error {
	found, err := r.Detect(ctx)
	if ctx.Err() == nil {
		r.Belt.Detected(time.Now(), err)
	}
	r.instances = merge(r.instances, named(found))
	r.Belt.SetInstances(r.instances)
	now := time.Now()
	for _, in := range r.instances {
		for _, src := range in.Logs {
			if r.tails[src.Name()] == nil {
				r.follow(ctx, src)
			}
			r.tails[src.Name()].listed = now
		}
		if !r.lists[in.Name] {
			r.lists[in.Name] = true
			r.Logger.Info("watching", "mta", in.MTA, "instance", in.Name, "queue", in.QueueDir, "running", in.Running)
			r.group.Go(func() error { return r.listQueue(ctx, in.Name) })
			r.group.Go(func() error {
				return every(ctx, r.Belt.cfg.Interval, func(ctx context.Context) error { r.countQueue(ctx, in.Name); return nil })
			})
			r.group.Go(func() error { return r.watchConditions(ctx, in.Name) })
		}
	}
	for name, f := range r.tails {
		if f.quiet && now.Sub(f.listed) > unlistedFor {
			f.cancel()
			delete(r.tails, name)
		}
	}
	return err
}

// follower is a log that is followed.
type follower struct {
	cancel context.CancelFunc
	quiet  bool
	listed time.Time // when an instance last named it
}

// unlistedFor is for how long the log of a daemon is read on after another
// has taken its place: it may still say why it ended.
const unlistedFor = 2 * time.Minute

func (r *runner) follow(ctx context.Context, src mta.LogSource) {
	r.Logger.Info("following log", "source", src.Name(), "resumed", r.Belt.Place(src.Name()) != "")
	within, cancel := context.WithCancel(ctx)
	r.tails[src.Name()] = &follower{cancel: cancel, quiet: src.Quiet}
	if r.Import != nil && !src.Quiet {
		if run := r.Import(ctx, src, r.instances, r.Belt.Place(src.Name())); run != nil {
			r.group.Go(func() error { run(ctx); return nil })
		}
	}
	r.group.Go(func() error {
		defer cancel()
		err := tail.Follow(within, r.Tail, src, r.Belt.Place(src.Name()), r.Belt)
		if ctx.Err() != nil {
			return nil // the end was asked for
		}
		if within.Err() != nil {
			r.Belt.DropSource(src.Name())
			return nil // the end was asked for
		}
		return err
	})
}

// merge takes over what was found and keeps what was known.
func merge(known, found []mta.Instance) []mta.Instance {
	list := make([]mta.Instance, 0, len(known)+len(found))
	list = append(list, found...)
	for _, old := range known {
		gone := true
		for _, in := range found {
			gone = gone && in.Name != old.Name
		}
		if gone {
			old.Running = false
			list = append(list, old)
		}
	}
	return list
}

// named gives each instance a name of its own. Of two that log under one name
// the lines cannot be told apart: the first keeps them.
func named(list []mta.Instance) []mta.Instance {
	list = slices.Clone(list)
	seen := make(map[string]bool)
	for i := range list {
		in := &list[i]
		if seen[in.Name] {
			in.Notes = append(slices.Clone(in.Notes), "another instance logs as "+in.Name+" too: its deliveries cannot be told apart")
			in.Name += ":" + cmp.Or(in.ConfigDir, in.QueueDir)
			in.Logs = nil
		}
		seen[in.Name] = true
	}
	return list
}

// readMachine reads sockets and processes.
func (r *runner) readMachine(ctx context.Context) error {
	instances := r.Belt.Instances()
	c, err := r.Machine.Sockets(ctx, sample.Ports(instances, r.Ports))
	if c.Time.IsZero() {
		c.Time = time.Now()
	}
	if err != nil && c.Unknown == "" {
		c.Unknown = err.Error()
	}
	if ctx.Err() == nil {
		r.Belt.SetConnections(c)
		r.readDisks(instances)
		r.readProcesses(ctx, instances)
	}
	return nil
}

// readDisks reads the space that each queue has left.
func (r *runner) readDisks(instances []mta.Instance) {
	for _, in := range instances {
		if in.QueueDir == "" {
			continue
		}
		d, err := r.Machine.Disk(in.QueueDir)
		if err != nil {
			continue // no sample: unknown
		}
		d.Time = time.Now()
		r.Belt.SetDisk(in.Name, d)
	}
}

func (r *runner) readProcesses(ctx context.Context, instances []mta.Instance) {
	now := time.Now()
	procs, err := sample.Processes(ctx, r.Machine, r.Adapters, instances)
	if ctx.Err() != nil {
		return
	}
	failed := ""
	if err != nil {
		failed = err.Error()
	}
	r.Belt.SetProcesses(now, procs, failed)
	if r.Exits == nil {
		return
	}
	for _, p := range r.Belt.Watched() {
		if err := r.Exits.Add(p.Process); err != nil {
			r.Logger.Debug("watch process", "pid", p.PID, "error", err)
		}
	}
}

// afterExit is how long after the end of a process it is judged: by then a
// process that was to be replaced has a successor, and the log has had its word.
const afterExit = time.Second

func (r *runner) lookAgain(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(afterExit):
		r.readProcesses(ctx, r.Belt.Instances())
		r.Belt.Glance(time.Now())
	}
}

// missedEvery is how often a daemon that is missed, or was stopped by a signal, is
// looked at: who has started it again wants to see that it was seen, and that
// it is stopped must be seen twice.
const missedEvery = 2 * time.Second

func (r *runner) lookForMissed(ctx context.Context) error {
	open, missing := r.Belt.missed()
	stopped := r.Belt.anyStopped()
	if missing || stopped {
		r.readProcesses(ctx, r.Belt.Instances())
	}
	if open || stopped {
		r.Belt.Glance(time.Now())
	}
	return nil
}

// watchExits learns from the kernel when a dispatcher or job controller
// ends, and reads the processes again at once.
func (r *runner) watchExits(ctx context.Context) error {
	for r.Exits != nil && ctx.Err() == nil {
		p, err := r.Exits.Wait(ctx)
		if err != nil {
			if ctx.Err() == nil {
				r.Logger.Warn("watch process ends", "error", err)
			}
			return nil
		}
		r.Belt.Exited(p.PID, time.Now())
		r.readProcesses(ctx, r.Belt.Instances())
		r.group.Go(func() error { r.lookAgain(ctx); return nil })
	}
	return nil
}
