package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/mtawatch/mtawatch/internal/alert"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/feed"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/notify"
	"github.com/mtawatch/mtawatch/internal/notify/all"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/probe"
	"github.com/mtawatch/mtawatch/internal/state"
	"github.com/mtawatch/mtawatch/internal/view"
)

// The buckets of the state store that are the app's own.
const (
	bucketTold  = "told"  // what each channel was told
	bucketProbe = "probe" // what each probe has done before
)

// teller hands what changes on to the channels.
type teller struct {
	belt *pipeline.Belt
	mark *marker
	db   *state.DB
	out  *notify.Dispatcher
	feed *feed.Feed
	eyes chan struct{} // open pages are to be shown the status now
	news chan struct{} // something changed
	log  *slog.Logger

	unsaved map[string][]byte // what no commit has stored yet; nil: to be deleted
}

// newTeller makes the channels of the configuration, and gives them what they
// told before.
func newTeller(ctx context.Context, cfg config.Config, db *state.DB, log *slog.Logger) (*teller, error) {
	channels, err := all.Channels(cfg.Notify)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname() // unknown: the messages name none
	out := notify.New(notify.Config{Host: host, Logger: log}, channels)
	if err := db.Each(ctx, bucketTold, out.Load); err != nil {
		return nil, fmt.Errorf("restore what was told: %w", err)
	}
	return &teller{db: db, out: out, feed: feed.New(feed.Config{}), eyes: make(chan struct{}, 1), news: make(chan struct{}, 1), log: log, unsaved: make(map[string][]byte)}, nil
}

// attach gives the teller the belt that it tells of, with what people said
// of its findings.
func (t *teller) attach(ctx context.Context, b *pipeline.Belt) error {
	m, err := newMarker(ctx, b, t.db)
	if err != nil {
		return err
	}
	t.belt, t.mark, m.changed = b, m, t.marked
	return nil
}

// found wakes the teller. It never waits: the belt calls it under its lock.
func (t *teller) found([]alert.Change) {
	select {
	case t.news <- struct{}{}:
	default:
	}
}

// look has open pages shown the status now.
func (t *teller) look() {
	select {
	case t.eyes <- struct{}{}:
	default:
	}
}

// show tells open pages the status at each interval, and when something
// changed, until ctx ends. Without an open page it costs nothing.
func (t *teller) show(src *Source, every time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		defer t.feed.Close()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			case <-t.eyes:
			}
			if t.feed.Listeners() == 0 {
				continue
			}
			if st, err := src.Status(ctx); err == nil {
				t.feed.Publish(view.Event{Status: &st})
			}
		}
	}
}

// runs gives the loops of the teller and its channels after those given.
func (t *teller) runs(list ...func(context.Context) error) []func(context.Context) error {
	list = append(list, t.run)
	for _, o := range t.out.Outlets() {
		list = append(list, o.Run)
	}
	return list
}

// saveEvery is how often what was told is stored.
const saveEvery = 5 * time.Second

// run hands on what changes, until ctx ends.
func (t *teller) run(ctx context.Context) error {
	t.out.Sync(t.mark.findings())
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		t.tell()
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveEvery)
			defer cancel()
			return t.save(last)
		case <-t.news:
		case <-tick.C:
			t.belt.SetBlind("notify", t.out.Blind())
			if err := t.mark.expire(ctx, time.Now()); err != nil && ctx.Err() == nil {
				t.log.Warn("end silences", "error", err)
			}
			if err := t.save(ctx); err != nil && ctx.Err() == nil {
				t.log.Debug("store what was told", "error", err)
			}
		}
	}
}

// tell hands on what has changed.
func (t *teller) tell() {
	t.mark.turn.Lock()
	defer t.mark.turn.Unlock()
	changes, anew := t.belt.TakeChanges()
	if anew { // what opened while a log was read late, and what ended
		t.out.Sync(t.mark.findings())
	}
	for _, c := range changes {
		c.Finding = t.mark.mark([]mta.Finding{c.Finding})[0]
		t.out.Tell(notify.Message{Event: string(c.Kind), Finding: c.Finding})
		t.feed.Publish(view.Event{Change: &view.Change{Kind: string(c.Kind), Time: c.Time, Finding: view.Presentable([]mta.Finding{c.Finding})[0]}})
	}
	if anew || len(changes) > 0 {
		t.look()
	}
}

// save stores what was told. What a commit could not store is stored by the
// next: else it would be told once more after a restart.
func (t *teller) save(ctx context.Context) error {
	t.out.Flush(func(k string, v []byte) { t.unsaved[k] = v }, func(k string) { t.unsaved[k] = nil })
	if len(t.unsaved) == 0 {
		return nil
	}
	if err := t.db.Commit(ctx, batchOf(bucketTold, t.unsaved)); err != nil {
		return err
	}
	clear(t.unsaved)
	return nil
}

// prober asks the resolver, the own ports and, where a finding needs it,
// others' exchangers.
type prober struct {
	belt *pipeline.Belt
	db   *state.DB
	ask  *probe.Prober
	log  *slog.Logger
}

func newProber(ctx context.Context, cfg config.Config, belt *pipeline.Belt, db *state.DB, log *slog.Logger) (*prober, error) {
	p := &prober{belt: belt, db: db, ask: probe.New(probe.Config{Settings: cfg.Probe}), log: log}
	if err := db.Each(ctx, bucketProbe, p.ask.Load); err != nil {
		return nil, fmt.Errorf("restore probes: %w", err)
	}
	return p, nil
}

// run asks what is due each second, until ctx ends.
func (p *prober) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		ports := ownPorts(p.belt.Instances())
		if p.ask.SetPorts(ports); len(ports) == 0 {
			p.belt.DropProbe(probe.NameSMTP)
		}
		p.ask.Suspect(p.belt.Suspect())
		if list := p.belt.WantReach(); len(list) > 0 {
			p.ask.Want(list)
		}
		r := p.ask.Step(ctx, time.Now())
		if ctx.Err() != nil {
			return nil // the end was asked for
		}
		for _, one := range r.Probes {
			p.belt.SetProbe(one)
		}
		for domain, one := range r.Reach {
			p.belt.SetReach(domain, one)
		}
		b := new(state.Batch)
		changed := false
		p.ask.Flush(func(k string, v []byte) { b.Put(bucketProbe, k, v); changed = true })
		if changed {
			if err := p.db.Commit(ctx, b); err != nil && ctx.Err() == nil {
				p.log.Debug("store probes", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// ownPorts lists where the running instances accept SMTP.
func ownPorts(instances []mta.Instance) []netip.AddrPort {
	var list []netip.AddrPort
	for _, in := range instances {
		if !in.Running && in.NeverRan {
			continue
		}
		for _, l := range in.Listen {
			addr, err := netip.ParseAddr(l.Address)
			if err != nil {
				addr = netip.IPv4Unspecified() // every address, or a name
			}
			list = append(list, netip.AddrPortFrom(addr, l.Port))
		}
	}
	return list
}
