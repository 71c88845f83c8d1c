// Package app builds everything, owns every lifetime and stops in reverse
// order: the machine, the stores, the belt, the server. Configuration comes
// in; a running daemon, or a look at the machine as it is, comes out.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/history"
	"github.com/mtawatch/mtawatch/internal/host"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/sample"
	"github.com/mtawatch/mtawatch/internal/state"
	"github.com/mtawatch/mtawatch/internal/tail"
)

// Run is the daemon: it watches until ctx ends, then stores what is counted
// and gives nil. It is deliberately one straight line.
func Run(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	loc, err := cfg.Location()
	if err != nil {
		return err
	}
	also, err := newCompat(cfg.Compat)
	if err := errors.Join(err, knownMTAs(cfg)); err != nil {
		return err
	}
	db, series, err := open(cfg, log)
	if err != nil {
		return err
	}
	defer closing(log, "state", db.Close)
	defer closing(log, "history", series.Close)

	machine := host.New(host.Config{Logger: log})
	adapters := all.Adapters()
	tell, err := newTeller(ctx, cfg, db, log)
	if err != nil {
		return err
	}
	belt := pipeline.New(pipeline.Config{Interval: cfg.Interval, Location: loc, State: db, History: series, Logger: log, Adapters: adapters, Judge: true,
		Silence: pipeline.Silence{Least: cfg.Silence.Least, Most: cfg.Silence.Most}, Observe: also.observe(), Found: tell.found, Retold: tell.look})
	if err := belt.Restore(ctx); err != nil {
		return fmt.Errorf("restore from %s: %w", cfg.DataDir, err)
	}
	if err := tell.attach(ctx, belt); err != nil {
		return err
	}
	asks, err := newProber(ctx, cfg, belt, db, log)
	if err != nil {
		return err
	}
	watch := newSockets(machine, log)
	defer closing(log, "connection watch", watch.Close)
	live := pipeline.Live{Belt: belt, Machine: watch, Adapters: adapters, Detect: detector(cfg, machine, adapters), Ports: cfg.Ports,
		Tail: tail.Config{Logger: log, BatchBytes: 256 << 10}, ListEvery: cfg.ListInterval, ListShare: cfg.ListMaxCPU, Listing: also.listing(), Logger: log}
	exits, endExits := exitWatch(machine, log)
	defer endExits()
	live.Exits = exits
	old := newImporter(cfg, loc, adapters, db, series, belt, log)
	live.Import = old.plan
	src := &Source{imports: old, belt: belt, machine: machine, adapters: adapters, cfg: cfg, location: loc, started: time.Now(), series: series, marks: tell.mark}

	if err := src.markPractice(ctx, db); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	if err := openDoors(ctx, g, cfg, log, surfaces{src: src, series: series, cfg: cfg, log: log, also: also, feed: tell.feed}); err != nil {
		return err
	}
	for _, run := range tell.runs(watch.run, asks.run, tell.show(src, cfg.Interval)) {
		g.Go(func() error { return run(ctx) })
	}
	g.Go(func() error { return collect(ctx, belt) })
	g.Go(func() error { return pipeline.Run(ctx, live) })
	log.Info("started", "data", cfg.DataDir, "interval", cfg.Interval)
	return ended(g.Wait(), cfg, log)
}

// openDoors serves on each address of the configuration.
func openDoors(ctx context.Context, g *errgroup.Group, cfg config.Config, log *slog.Logger, show surfaces) error {
	doors, err := listen(cfg, log)
	if err != nil {
		return err
	}
	for _, d := range doors {
		h, err := handler(show, d)
		if err != nil {
			return err
		}
		log.Info("serving", "address", d.Addr().String(), "messages", d.messages)
		g.Go(func() error { return serve(ctx, d, h) })
	}
	return nil
}

// ended says that the end was orderly, when it was.
func ended(err error, cfg config.Config, log *slog.Logger) error {
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	log.Info("stopped; what was counted is stored", "data", cfg.DataDir)
	return nil
}

// open opens the stores; both or none.
func open(cfg config.Config, log *slog.Logger) (*state.DB, *history.Store, error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make data directory: %w; give another with data_dir or --data-dir", err)
	}
	db, err := state.Open(filepath.Join(cfg.DataDir, "state.db"), state.Config{})
	if err != nil {
		return nil, nil, err
	}
	series, err := history.Open(filepath.Join(cfg.DataDir, "series"), history.Config{Retention: cfg.Retention, Logger: log})
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, series, nil
}

// exitWatch learns from the kernel when a process ends; nil where it cannot.
// The function ends the watch.
func exitWatch(m *host.Machine, log *slog.Logger) (pipeline.Exits, func()) {
	w, err := m.NewExitWatcher()
	if err != nil {
		log.Warn("process ends are seen at the next reading only", "error", err)
		return nil, func() {}
	}
	return w, func() { closing(log, "exit watch", w.Close) }
}

// knownMTAs refuses a configured instance of a mail server that no adapter
// reads.
func knownMTAs(cfg config.Config) error {
	for _, in := range cfg.Instances {
		if _, ok := all.ByName(in.MTA); !ok {
			return fmt.Errorf("configured instance %q: no adapter for the mail server %q; there is %s", in.Name, in.MTA, adapterNames())
		}
	}
	return nil
}

func adapterNames() string {
	var list []string
	for _, a := range all.Adapters() {
		list = append(list, a.Name)
	}
	return strings.Join(list, ", ")
}

func closing(log *slog.Logger, what string, f func() error) {
	if err := f(); err != nil {
		log.Error("close "+what, "error", err)
	}
}

func names(list []mta.Instance) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].Name
	}
	return out
}

// detector gives the instances: those that the configuration names, on top
// of those that are found. A configured instance of the same name or
// configuration directory overrides what was found.
func detector(cfg config.Config, m adapter.Host, adapters []adapter.Adapter) func(context.Context) ([]mta.Instance, error) {
	return func(ctx context.Context) ([]mta.Instance, error) {
		var found []mta.Instance
		var err error
		if cfg.Detect {
			found, err = sample.Detect(ctx, m, adapters)
		}
		for _, c := range cfg.Instances {
			var in mta.Instance
			if c.BaseDir != "" {
				var aerr error
				if in, aerr = instanceAt(ctx, m, adapters, c); aerr != nil {
					err = errors.Join(err, aerr)
					continue
				}
			}
			found = configure(found, c, in)
		}
		return found, err
	}
}

// instanceAt describes the instance whose base directory the configuration names.
func instanceAt(ctx context.Context, m adapter.Host, adapters []adapter.Adapter, c config.Instance) (mta.Instance, error) {
	for i := range adapters {
		if a := &adapters[i]; a.Name == c.MTA && a.At != nil {
			in, err := a.At(ctx, m, c.BaseDir)
			if err != nil {
				return in, fmt.Errorf("configured instance %q: %w", c.Name, err)
			}
			in.MTA = a.Name
			return in, nil
		}
	}
	return mta.Instance{}, fmt.Errorf("configured instance %q: %s has no base_dir; name config_dir or queue_dir", c.Name, c.MTA)
}

// configure puts a configured instance over the one that was found, or adds
// it. at is what its base directory tells, where it names one.
func configure(found []mta.Instance, c config.Instance, at mta.Instance) []mta.Instance {
	i := 0
	for ; i < len(found); i++ {
		f := &found[i]
		if f.MTA == c.MTA && (c.Name != "" && c.Name == f.Name || c.ConfigDir != "" && c.ConfigDir == f.ConfigDir || c.QueueDir != "" && c.QueueDir == f.QueueDir ||
			at.BaseDir != "" && at.BaseDir == f.BaseDir) {
			break
		}
	}
	if i == len(found) {
		found = append(found, mta.Instance{MTA: c.MTA, Name: c.MTA})
	}
	in := &found[i]
	if at.BaseDir != "" {
		*in = at
	}
	set := func(to *string, v string) {
		if v != "" {
			*to = v
		}
	}
	set(&in.Name, c.Name)
	set(&in.ConfigDir, c.ConfigDir)
	set(&in.QueueDir, c.QueueDir)
	if logs := c.Logs(); len(logs) > 0 {
		in.Logs = logs
	}
	if len(c.Ports) > 0 {
		in.Listen = nil
		for _, p := range c.Ports {
			in.Listen = append(in.Listen, mta.Listen{Service: "smtp", Port: p})
		}
	}
	return found
}
