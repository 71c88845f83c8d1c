package notify

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Config sets up a Dispatcher. Zero values: messages name no host and no
// dashboard, and nothing is logged.
type Config struct {
	Host   string // the name of this machine, as people know it
	URL    string // of the dashboard
	Logger *slog.Logger
}

// Dispatcher hands each message to every channel. It may be used by several
// goroutines; each Outlet's Run is to be started by one.
type Dispatcher struct {
	cfg     Config
	outlets []*Outlet
	orphans map[string]bool // records of channels that are no more
}

// New makes a Dispatcher; the names of the channels must differ. It starts nothing.
func New(cfg Config, channels []Channel) *Dispatcher {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Dispatcher{cfg: cfg, orphans: make(map[string]bool)}
	for _, c := range channels {
		d.outlets = append(d.outlets, newOutlet(cfg, c))
	}
	return d
}

// Outlets lists the channels' loops, each to be run.
func (d *Dispatcher) Outlets() []*Outlet { return d.outlets }

// Tell takes one step in the life of a finding. It never waits. Event is
// Opened, Changed or Resolved; host and dashboard are filled in.
func (d *Dispatcher) Tell(m Message) {
	now := time.Now()
	for _, o := range d.outlets {
		o.take(m.Event == Resolved, m.Finding, now)
	}
}

// Sync compares what is open now with what was told. It is for the start,
// after Load: what opened or ended while nothing could be sent is told then.
func (d *Dispatcher) Sync(open, past []mta.Finding) {
	now := time.Now()
	for _, o := range d.outlets {
		o.sync(open, past, now)
	}
}

// Blind lists the channels that cannot be reached: who relies on them hears nothing.
func (d *Dispatcher) Blind() []mta.BlindSpot {
	var list []mta.BlindSpot
	for _, o := range d.outlets {
		if s := o.State(); s.Failures >= failing {
			list = append(list, mta.BlindSpot{Source: "notify " + s.Name, Kind: mta.BlindFailing, Since: s.Since,
				Text:   fmt.Sprintf("%d attempts to send failed: %s; %d findings wait to be told", s.Failures, s.Error, s.Waiting),
				Advice: "look at the entry under notify: in the configuration, and try it with: mtawatch check-config --notify"})
		}
	}
	return list
}

// States tells how each channel does.
func (d *Dispatcher) States() []State {
	var list []State
	for _, o := range d.outlets {
		list = append(list, o.State())
	}
	return list
}

// recordTold begins the key of what one channel was told of one finding; the
// channel's name and the finding's ID follow.
const recordTold = "told/"

type savedTold struct {
	Finding mta.Finding `json:"finding"`
	At      time.Time   `json:"at"`
}

// Flush hands out what is to be kept and has changed since the last Flush.
func (d *Dispatcher) Flush(put func(key string, value []byte), del func(key string)) {
	for k := range d.orphans {
		del(k)
	}
	clear(d.orphans)
	for _, o := range d.outlets {
		o.flush(put, del)
	}
}

// Load takes back what Flush gave, before any outlet runs. What a channel was
// told that is not configured any more is deleted at the next Flush.
func (d *Dispatcher) Load(key string, value []byte) error {
	rest, ok := strings.CutPrefix(key, recordTold)
	slash := strings.LastIndexByte(rest, '/')
	if !ok || slash < 0 {
		return fmt.Errorf("load told %q: no such kind of record", key)
	}
	var s savedTold
	if err := json.Unmarshal(value, &s); err != nil {
		return fmt.Errorf("load told %q: %w", key, err)
	}
	if s.Finding.ID == "" || s.Finding.ID != rest[slash+1:] {
		return fmt.Errorf("load told %q: is not the record of that finding", key)
	}
	for _, o := range d.outlets {
		if o.channel.Name == rest[:slash] {
			o.load(s, time.Now())
			return nil
		}
	}
	d.orphans[key] = true
	return nil
}
