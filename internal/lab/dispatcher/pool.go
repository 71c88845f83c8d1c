package dispatcher

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// pool is the worker processes of a service, and the clients they have.
//
// MAX_PROCS counts the workers that take clients; those that drain are beyond
// it, at most MAX_SHUTDOWN. The clients of all of them together are never more
// than MAX_PROCS × MAX_CONNS: what comes beyond waits in the kernel.
type pool struct {
	site   *site.Site
	log    *eventLog
	stderr *os.File

	mu       sync.Mutex
	room     *sync.Cond // a client less, a worker more or less, other limits, the end
	service  site.Service
	workers  []*worker
	clients  int  // of all workers
	full     bool // the log has been told
	toldFull time.Time
	closing  bool
	failures int       // workers in a row that came to nothing
	rest     time.Time // no worker is started before
	running  sync.WaitGroup
}

// worker is a server process.
type worker struct {
	name    string // "tcp_smtp_server 4711"
	cmd     *exec.Cmd
	outbox  *net.UnixConn
	started time.Time
	idle    time.Time // since when without a client
	clients int
	served  int
	retired string // why it takes no more; "" while it does
}

func newPool(s *site.Site, v site.Service, log *eventLog, stderr *os.File) *pool {
	p := &pool{site: s, service: v, log: log, stderr: stderr}
	p.room = sync.NewCond(&p.mu)
	return p
}

// configure sets other limits.
func (p *pool) configure(s *site.Site, v site.Service) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.site, p.service = s, v
	p.room.Broadcast()
}

// admit waits until there is room for a client. False: there will be none.
func (p *pool) admit() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waitForRoom()
}

func (p *pool) waitForRoom() bool {
	for !p.closing && p.clients >= p.service.Capacity() {
		if now := time.Now(); !p.full && now.Sub(p.toldFull) > 10*time.Second {
			p.toldFull = now
			p.log.line(levelWarning, "service %s process limit reached: %d processes (MAX_PROCS) of %d connections (MAX_CONNS); new connections wait",
				p.service.Name, p.service.MaxProcs, p.service.MaxConns)
		}
		p.full = true
		p.room.Wait()
	}
	if p.full && p.clients < p.service.Capacity()*9/10 {
		p.full = false
	}
	return !p.closing
}

// place gives a client to a worker, who may have to be started first.
func (p *pool) place(client *net.TCPConn) {
	defer func() { _ = client.Close() }() // the worker has its own descriptor
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.waitForRoom() {
		w := p.choose()
		if w == nil {
			if wait := time.Until(p.rest); wait > 0 {
				p.mu.Unlock()
				time.Sleep(min(wait, 100*time.Millisecond)) // no busy loop where workers die at once
				p.mu.Lock()
				continue
			}
			if w = p.start(); w == nil {
				continue
			}
		}
		if err := send(w.outbox, client); err != nil {
			w.retired = ownWish // or it is dead, and follow will say so
			if !errors.Is(err, syscall.EPIPE) {
				w.retired = "takes no connection" // MAX_SHUTDOWN or not
				p.log.line(levelError, "process %s takes no connection: %v; it gets no more", w.name, err)
				_ = w.outbox.CloseWrite()
			}
			continue
		}
		w.clients++
		w.served++
		p.clients++
		if w.served >= p.service.MaxLifeConns {
			p.retire(w, "MAX_LIFE_CONNS")
		}
		return
	}
	// It came as the dispatcher ended.
	_ = client.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = client.Write([]byte("421 4.3.2 Service shutting down\r\n"))
}

// active counts the workers that take clients.
func (p *pool) active() int {
	n := 0
	for _, w := range p.workers {
		if w.retired == "" {
			n++
		}
	}
	return n
}

func (p *pool) draining() int { return len(p.workers) - p.active() }

// choose gives the least busy worker; none when all are busy enough for
// another to be started.
func (p *pool) choose() *worker {
	var best *worker
	active := 0
	for _, w := range p.workers {
		if w.retired != "" {
			continue
		}
		active++
		if w.clients < p.service.MaxConns && (best == nil || w.clients < best.clients) {
			best = w
		}
	}
	mayStart := active < p.service.MaxProcs && !time.Now().Before(p.rest)
	if best != nil && best.clients >= p.service.MinConns && mayStart {
		return nil
	}
	return best
}

// start starts a worker. nil: it could not; the log says so.
func (p *pool) start() *worker {
	ours, theirs, err := newPair()
	if err != nil {
		p.failed(err)
		return nil
	}
	defer theirs.Close()
	path := p.site.Program(p.service.Image)
	cmd := &exec.Cmd{Path: path, Args: []string{path}, Dir: p.site.RunDir(), Stderr: p.stderr, ExtraFiles: []*os.File{theirs}}
	if err := cmd.Start(); err != nil {
		p.failed(errors.Join(err, ours.Close()))
		return nil
	}
	now := time.Now()
	w := &worker{name: fmt.Sprintf("%s %d", p.service.Image, cmd.Process.Pid), cmd: cmd, outbox: ours, started: now, idle: now}
	p.workers = append(p.workers, w)
	p.log.line(levelNotice, "process %s started, service %s, %d of %d", w.name, p.service.Name, p.active(), p.service.MaxProcs)
	p.running.Go(func() { p.follow(w) })
	return w
}

func (p *pool) failed(err error) {
	p.rests()
	p.log.line(levelError, "service %s: start %s: %v", p.service.Name, p.service.Image, err)
}

// rests makes the next start wait, longer each time.
func (p *pool) rests() {
	p.failures++
	p.rest = time.Now().Add(min(5*time.Second, 50*time.Millisecond<<min(p.failures, 10)))
}

// follow hears a worker out until its death.
func (p *pool) follow(w *worker) {
	buf := make([]byte, 16)
	for {
		n, err := w.outbox.Read(buf)
		if n == 0 || err != nil {
			break
		}
		p.mu.Lock()
		switch buf[0] {
		case msgClosing: // MAX_SHUTDOWN or not
			if w.retired == "" {
				p.relieve(w, ownWish)
			}
		case msgEnded:
			if w.clients > 0 {
				w.clients--
				p.clients--
			}
			if w.clients == 0 {
				w.idle = time.Now()
			}
			p.room.Broadcast()
		}
		p.mu.Unlock()
	}
	err := w.cmd.Wait()
	_ = w.outbox.Close() // nobody is at the other end
	p.buried(w, err)
}

// buried takes a dead worker off the list.
func (p *pool) buried(w *worker, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.workers {
		if p.workers[i] == w {
			p.workers = append(p.workers[:i], p.workers[i+1:]...)
			break
		}
	}
	p.clients -= w.clients
	p.room.Broadcast()
	life := time.Since(w.started)
	if err == nil && w.retired != "" {
		p.failures = 0
		p.log.line(levelNotice, "process %s exited normally (%s), %d connections in %s", w.name, w.retired, w.served, life.Round(time.Second))
		return
	}
	how := "exited abnormally, exit status 0"
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		how = "exited abnormally, " + exit.String()
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			how = fmt.Sprintf("killed by signal %d", status.Signal())
		}
	}
	p.log.line(levelError, "process %s %s; service %s, %d connections lost, %d served in %s", w.name, how, p.service.Name, w.clients, w.served, life.Round(time.Second))
	if w.served > w.clients || life > time.Second {
		p.failures = 0
		return
	}
	if p.rests(); p.failures > 1 {
		p.log.line(levelError, "process %s throttled: it ends as soon as it is started", w.name)
	}
}

// retire lets a worker drain, unless MAX_SHUTDOWN others do; then it goes on.
func (p *pool) retire(w *worker, why string) {
	if w.retired == "" && (p.draining() < p.service.MaxShutdown || p.closing) {
		p.relieve(w, why)
	}
}

// ownWish is why a worker takes no more that was told to end by someone else.
const ownWish = "its own wish"

func (p *pool) relieve(w *worker, why string) {
	w.retired = why
	p.log.line(levelNotice, "process %s takes no more connections: %s; %d are open, %d served", w.name, why, w.clients, w.served)
	_ = w.outbox.CloseWrite() // what it has not taken yet comes before the end
}

// tend does what is due: lives that have ended, idleness, MIN_PROCS.
func (p *pool) tend(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return
	}
	spare := p.active() - p.service.MinProcs
	for _, w := range p.workers { // the oldest first
		switch {
		case w.retired != "":
			continue
		case now.Sub(w.started) >= p.service.MaxLifeTime:
			p.retire(w, "MAX_LIFE_TIME")
		case w.served >= p.service.MaxLifeConns:
			p.retire(w, "MAX_LIFE_CONNS")
		case spare > 0 && w.clients == 0 && now.Sub(w.idle) >= p.service.MaxIdleTime:
			p.retire(w, "MAX_IDLE_TIME")
		}
		if w.retired != "" {
			spare--
		}
	}
	for p.active() < p.service.MinProcs && !now.Before(p.rest) {
		if p.start() == nil {
			break
		}
	}
}

// close lets all workers drain; wait returns when they have ended.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closing = true
	for _, w := range p.workers {
		p.retire(w, "shutdown")
	}
	p.room.Broadcast()
}

func (p *pool) wait() { p.running.Wait() }

// signal sends one to each worker.
func (p *pool) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.workers {
		_ = w.cmd.Process.Signal(sig) // it may have just ended
	}
}
