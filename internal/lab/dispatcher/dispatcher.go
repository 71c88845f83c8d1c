package dispatcher

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// Main is the program dispatcher of the base directory that its path lies in.
// -port makes it serve the first service there and nothing else. SIGHUP reads dispatcher.cnf anew; SIGTERM lets the sessions end and
// takes no more, a second one ends them.
func Main(ctx context.Context, args []string, _ io.Reader, _, stderr io.Writer) int {
	flags := flag.NewFlagSet("dispatcher", flag.ContinueOnError)
	flags.SetOutput(stderr)
	port := flags.Int("port", 0, "listen on this `port`")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	s, err := site.Open(site.BaseOf(os.Args[0]))
	if err == nil {
		err = New(Config{Site: s, Port: *port}).Run(ctx)
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "dispatcher:", err)
		return 1
	}
	return 0
}

// Config says what a dispatcher works on.
type Config struct {
	Site *site.Site
	Port int // serve the first service there, and nothing else; 0: as configured
}

// Dispatcher accepts the connections of all services of a site.
type Dispatcher struct {
	config Config
	log    *eventLog
	stderr *os.File

	services map[string]*service
}

// service is a pool of workers and the ports it serves.
type service struct {
	pool      *pool
	listeners map[string]*net.TCPListener // by address
	accepting sync.WaitGroup
}

// New makes a dispatcher. Nothing is opened before Run.
func New(c Config) *Dispatcher { return &Dispatcher{config: c, services: map[string]*service{}} }

// Run accepts connections until ctx ends or SIGTERM comes, and returns when
// the last session has ended.
func (d *Dispatcher) Run(ctx context.Context) error {
	s := d.config.Site
	var err error
	if d.log, err = openLog(s.LogDir(), "dispatcher", s.Practice.Host); err != nil {
		return fmt.Errorf("run dispatcher: %w", err)
	}
	defer d.log.file.Close()
	// What a worker says as it dies; empty in normal operation.
	d.stderr, err = os.OpenFile(filepath.Join(s.LogDir(), d.log.sibling("tcp_smtp_server")), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("run dispatcher: %w", err)
	}
	defer d.stderr.Close()

	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)

	d.log.line(levelNotice, "dispatcher started, %s", s.Version)
	if err := d.apply(s); err != nil {
		d.end()
		d.log.line(levelCritical, "dispatcher cannot run: %v", err)
		return fmt.Errorf("run dispatcher: %w", err)
	}
	d.loop(ctx, signals)

	done := make(chan struct{})
	go func() {
		d.end()
		close(done)
	}()
	var enough <-chan time.Time
	for {
		select {
		case <-done:
			d.log.line(levelNotice, "dispatcher stopped")
			return nil
		case sig := <-signals:
			if sig != syscall.SIGHUP && enough == nil {
				d.log.line(levelWarning, "dispatcher ends its processes: a second %s", sig)
				d.signal(syscall.SIGTERM)
				enough = time.After(lastWords)
			}
		case <-enough:
			d.signal(syscall.SIGKILL)
		}
	}
}

// lastWords is how long processes have for what they are in when they must end.
const lastWords = 2 * time.Second

func (d *Dispatcher) signal(sig syscall.Signal) {
	for _, v := range d.services {
		v.pool.signal(sig)
	}
}

// loop runs until the end is wanted.
func (d *Dispatcher) loop(ctx context.Context, signals <-chan os.Signal) {
	const beat = 100 * time.Millisecond
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		for _, v := range d.services {
			v.pool.tend(time.Now())
		}
		select {
		case <-ctx.Done():
			d.log.line(levelNotice, "dispatcher takes no more connections: %v", context.Cause(ctx))
			return
		case <-tick.C:
		case sig := <-signals:
			if sig != syscall.SIGHUP {
				d.log.line(levelNotice, "dispatcher takes no more connections: %s", sig)
				return
			}
			d.reload()
		}
	}
}

// reload reads the configuration anew; one with errors changes nothing.
func (d *Dispatcher) reload() {
	s, err := site.Open(d.config.Site.Base)
	if err == nil {
		err = d.apply(s)
	}
	if err != nil {
		d.log.line(levelError, "read configuration: %v; going on as before", err)
		return
	}
	d.config.Site = s
	d.log.line(levelNotice, "configuration reloaded")
}

// apply makes services and ports those of a site.
func (d *Dispatcher) apply(s *site.Site) error {
	var errs []error
	wanted := map[string]bool{}
	for i, conf := range s.Services {
		if d.config.Port != 0 {
			if i > 0 {
				break
			}
			conf.Ports = []int{d.config.Port}
		}
		wanted[conf.Name] = true
		v := d.services[conf.Name]
		if v == nil {
			v = &service{pool: newPool(s, conf, d.log, d.stderr), listeners: map[string]*net.TCPListener{}}
			d.services[conf.Name] = v
		}
		v.pool.configure(s, conf)
		errs = append(errs, d.listen(v, conf))
	}
	for name, v := range d.services {
		if !wanted[name] {
			d.log.line(levelNotice, "service %s: no longer configured", name)
			v.stop()
			v.pool.close() // its workers end with their sessions
			delete(d.services, name)
		}
	}
	return errors.Join(errs...)
}

// listen opens the ports of a service that are not open, and closes those that
// it has no more.
func (d *Dispatcher) listen(v *service, conf site.Service) error {
	// No client is asked whether it is still there: a session ends by its own word or
	// its own timeouts. Package net would ask every 15 s, and the kernel then take back
	// what a hanging server process never closes.
	patient := net.ListenConfig{KeepAlive: -1}
	var errs []error
	wanted := map[string]bool{}
	for _, port := range conf.Ports {
		address := net.JoinHostPort(conf.Address, strconv.Itoa(port))
		wanted[address] = true
		l := v.listeners[address]
		if l == nil {
			made, err := patient.Listen(context.Background(), "tcp", address)
			if errors.Is(err, syscall.EADDRINUSE) {
				err = fmt.Errorf("%w: is another dispatcher running?", err)
			}
			if err != nil {
				d.log.line(levelCritical, "service %s: %v", conf.Name, err)
				errs = append(errs, err)
				continue
			}
			l = made.(*net.TCPListener)
			v.listeners[address] = l
			v.accepting.Go(func() { d.accept(v.pool, l) })
			d.log.line(levelNotice, "service %s: listening on %s, backlog %d", conf.Name, address, conf.Backlog)
		}
		if err := setBacklog(l, conf.Backlog); err != nil {
			errs = append(errs, fmt.Errorf("set backlog of %s: %w", address, err))
		}
	}
	for _, address := range slices.Collect(maps.Keys(v.listeners)) {
		if !wanted[address] {
			_ = v.listeners[address].Close()
			delete(v.listeners, address)
			d.log.line(levelNotice, "service %s: no longer on %s", conf.Name, address)
		}
	}
	return errors.Join(errs...)
}

// setBacklog calls listen(2) once more: package net asks for the most there is.
func setBacklog(l *net.TCPListener, backlog int) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var lerr error
	err = raw.Control(func(fd uintptr) { lerr = unix.Listen(int(fd), backlog) })
	return errors.Join(err, lerr)
}

// accept gives clients to the pool, one by one: while there is no room none is
// accepted.
func (d *Dispatcher) accept(p *pool, l *net.TCPListener) {
	for p.admit() {
		c, err := l.AcceptTCP()
		switch {
		case err == nil:
			p.place(c)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			d.log.line(levelError, "accept: %v", err)
			time.Sleep(100 * time.Millisecond) // out of descriptors, most likely
		}
	}
}

// stop closes the ports.
func (v *service) stop() {
	for _, l := range v.listeners {
		_ = l.Close()
	}
	clear(v.listeners)
}

// end closes all ports, then waits for the sessions that there are.
func (d *Dispatcher) end() {
	for _, v := range d.services {
		v.stop()
		v.pool.close()
	}
	for _, v := range d.services {
		v.accepting.Wait()
		v.pool.wait()
	}
}
