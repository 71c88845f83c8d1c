package world

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Config says what the world is made of. SMTP, NameServer, RemotePort, Domain
// and Users are required.
type Config struct {
	SMTP       string // address and port of the MTA
	Submission string // where users submit; "" is none
	NameServer string // address and port of the name server to open
	RemotePort int    // on which the sites' hosts listen
	Host       string // the MTA's own name
	Domain     string // of the users here
	Users      []User
	Sites      []Site // nil is Sites()

	Rate float64                 // letters a second, in the mean; 0 sends none
	Day  func(time.Time) float64 // how it varies; nil is Day
}

// World is the whole of it.
type World struct {
	cfg     Config
	names   *nameServer
	remotes map[string]*remote

	mu    sync.Mutex
	scale float64 // of the rate
	sent  Sent
}

// New makes a world and opens nothing.
func New(cfg Config) (*World, error) {
	if cfg.Sites == nil {
		cfg.Sites = Sites()
	}
	if cfg.Day == nil {
		cfg.Day = Day
	}
	if cfg.Domain == "" || len(cfg.Users) == 0 {
		return nil, errors.New("make world: it needs a domain and users")
	}
	w := &World{cfg: cfg, remotes: make(map[string]*remote), scale: 1}
	w.names = &nameServer{address: cfg.NameServer, mx: make(map[string]string), a: make(map[string]netip.Addr), names: w.clientName}
	for i := range cfg.Sites {
		s := &cfg.Sites[i]
		if s.address == "" {
			continue
		}
		a, err := netip.ParseAddr(s.address)
		if err != nil {
			return nil, fmt.Errorf("make world: site %s: %w", s.Name, err)
		}
		w.remotes[s.Name] = newRemote(w, s)
		host := "mx." + s.Domain() + "."
		w.names.mx[s.Domain()+"."], w.names.a[host] = host, a
	}
	if cfg.Host != "" {
		if ap, err := netip.ParseAddrPort(cfg.SMTP); err == nil {
			w.names.mx[cfg.Domain+"."], w.names.a[strings.ToLower(cfg.Host)+"."] = cfg.Host+".", ap.Addr()
		}
	}
	return w, nil
}

// Run opens the name server and the sites, calls ready, and sends mail until
// ctx ends. All that it opened is closed when it returns.
func (w *World) Run(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, r := range w.remotes {
		if err := r.settle(ctx); err != nil {
			cancel(err)
		}
		wg.Go(func() {
			if err := r.run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	up := make(chan struct{})
	wg.Go(func() {
		if err := w.names.run(ctx, func() { close(up) }); err != nil {
			cancel(err)
		}
	})
	select {
	case <-up:
		if ready != nil && ctx.Err() == nil {
			ready()
		}
		wg.Go(func() { _ = w.traffic(ctx) })
	case <-ctx.Done():
	}
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// Names sets how the name server behaves.
func (w *World) Names(m NameMode) { w.names.mode.Store(int32(m)) }

// Change gives sites another manner, for the sessions that begin from now on.
func (w *World) Change(m Manner, sites ...string) error {
	for _, name := range sites {
		r := w.remotes[name]
		if r == nil {
			return fmt.Errorf("change site: there is no site %q", name)
		}
		r.Set(m)
	}
	return nil
}

// Restore gives sites back the manner that they have in the Config.
func (w *World) Restore(sites ...string) error {
	for _, name := range sites {
		r := w.remotes[name]
		if r == nil {
			return fmt.Errorf("restore site: there is no site %q", name)
		}
		r.Set(r.site.Manner)
	}
	return nil
}

// Sites gives the sites of this world.
func (w *World) Sites() []Site { return w.cfg.Sites }

// Scale multiplies the rate of ordinary mail: 1 is the usual, 0 none.
func (w *World) Scale(f float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scale = f
}

// Rate gives how many letters a second are sent at a moment, in the mean.
func (w *World) Rate(t time.Time) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cfg.Rate * w.cfg.Day(t) * w.scale
}

// Sent gives what the ordinary senders did so far.
func (w *World) Sent() Sent {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent
}

func (w *World) count(f func(*Sent)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.sent)
}

// Accepted gives how many messages a site has taken.
func (w *World) Accepted(site string) int {
	r := w.remotes[site]
	if r == nil {
		return 0
	}
	return r.Accepted()
}
