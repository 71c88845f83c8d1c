package dispatcher_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/dispatcher"
	"github.com/mtawatch/mtawatch/internal/lab/labtest"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// TestMain runs this binary as the program it was started as: the sites of the
// tests link their programs to it.
func TestMain(m *testing.M) {
	labtest.Main(m, map[string]labtest.Program{
		"dispatcher":      dispatcher.Main,
		"tcp_smtp_server": worker,
		"ims_master":      func(context.Context, []string, io.Reader, io.Writer, io.Writer) int { return 3 }, // comes to nothing
	})
}

// worker answers each line with its process id, and "quit" with "bye".
func worker(_ context.Context, _ []string, _ io.Reader, _, stderr io.Writer) int {
	inbox, err := dispatcher.OpenInbox()
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	for {
		c, err := inbox.Accept()
		if err != nil {
			break
		}
		go func() {
			defer c.Close()
			fmt.Fprintf(c, "%d\n", os.Getpid())
			lines := bufio.NewScanner(c)
			for lines.Scan() {
				if lines.Text() == "quit" {
					fmt.Fprintln(c, "bye")
					return
				}
				fmt.Fprintf(c, "%d\n", os.Getpid())
			}
		}()
	}
	inbox.Wait()
	return 0
}

// running is a dispatcher and the site that it serves.
type running struct {
	site *site.Site
	cmd  *exec.Cmd
	addr string
}

// start makes a site with one service and starts its dispatcher.
func start(t *testing.T, v site.Service) *running {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	port := labtest.FreePort(t)
	v.Name, v.Ports = "SMTP", []int{port}
	s, err := site.Create(filepath.Join(t.TempDir(), "b"), site.Settings{Binary: exe, Services: []site.Service{v}})
	if err != nil {
		t.Fatal(err)
	}
	r := &running{site: s, addr: fmt.Sprintf("127.0.0.1:%d", port)}
	r.cmd = r.launch(t)
	labtest.WaitFor(t, "a listening dispatcher", func() bool {
		k, err := dial(r.addr)
		return err == nil && k.quit() == nil
	})
	return r
}

func (r *running) launch(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return labtest.Start(t, r.site.Program("dispatcher"), args...)
}

func refused(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err == nil {
		_ = c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

func (r *running) log(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(r.site.LogDir(), "dispatcher.log-*"))
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return string(all)
}

// children are the worker processes, by the name the process list has for them.
func (r *running) children(t *testing.T) (list []int) {
	t.Helper()
	pids, err := r.site.Processes("tcp_smtp_server")
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(comm) == "tcp_smtp_server\n" {
			list = append(list, pid)
		}
	}
	return list
}

// talk is a client's session.
type talk struct {
	net.Conn
	lines *bufio.Reader
	pid   int
}

func dial(addr string) (*talk, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	k := &talk{Conn: c, lines: bufio.NewReader(c)}
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	k.pid, err = k.read()
	return k, err
}

func (k *talk) read() (int, error) {
	line, err := k.lines.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(line))
}

func (k *talk) say() error {
	if _, err := fmt.Fprintln(k, "hello"); err != nil {
		return err
	}
	pid, err := k.read()
	if err == nil && pid != k.pid {
		err = fmt.Errorf("process %d answers for %d", pid, k.pid)
	}
	return err
}

func (k *talk) quit() error {
	defer k.Close()
	if _, err := fmt.Fprintln(k, "quit"); err != nil {
		return err
	}
	line, err := k.lines.ReadString('\n')
	if err != nil || line != "bye\n" {
		return fmt.Errorf("quit: %q, %w", line, err)
	}
	return nil
}

// TestSessionIsNotProbed: the kernel does not ask a client of its own accord, so
// that what a hanging worker never closes stays.
func TestSessionIsNotProbed(t *testing.T) {
	r := start(t, site.Service{MinProcs: 1, MaxProcs: 1, MaxConns: 2})
	k, err := dial(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	port := func(a net.Addr) string { return fmt.Sprintf(":%04X", a.(*net.TCPAddr).Port) }
	labtest.WaitFor(t, "a session without a timer", func() bool {
		b, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) { // proc(5): sl local remote st queues timer
			f := strings.Fields(line)
			if len(f) > 5 && strings.HasSuffix(f[1], port(k.RemoteAddr())) && strings.HasSuffix(f[2], port(k.LocalAddr())) {
				return strings.HasPrefix(f[5], "00:")
			}
		}
		return false
	})
}

// TestLives lets many sessions meet workers with short lives.
func TestLives(t *testing.T) {
	r := start(t, site.Service{MinProcs: 1, MaxProcs: 3, MinConns: 2, MaxConns: 8, MaxLifeTime: time.Second, MaxLifeConns: 20, MaxShutdown: 2})
	var wg sync.WaitGroup
	var served atomic.Int64
	pids := sync.Map{}
	stop := time.Now().Add(3 * time.Second)
	for range 16 {
		wg.Go(func() {
			for time.Now().Before(stop) {
				k, err := dial(r.addr)
				if err != nil {
					t.Errorf("dial: %v", err)
					return
				}
				pids.Store(k.pid, true)
				for range 3 {
					time.Sleep(10 * time.Millisecond)
					if err := k.say(); err != nil {
						t.Errorf("a session was dropped: %v", err)
						return
					}
				}
				if err := k.quit(); err != nil {
					t.Errorf("a session was dropped: %v", err)
					return
				}
				served.Add(1)
			}
		})
	}
	wg.Wait()
	n := 0
	pids.Range(func(any, any) bool { n++; return true })
	labtest.WaitFor(t, "the end of a worker that has served", func() bool { return strings.Contains(r.log(t), "exited normally (MAX_LIFE_CONNS)") })
	log := r.log(t)
	if n < 6 {
		t.Errorf("%d sessions, %d processes; the log:\n%s", served.Load(), n, log)
	}
	if strings.Contains(log, "killed") || strings.Contains(log, "abnormally") {
		t.Errorf("a worker died:\n%s", log)
	}
	most, draining := 0, 0
	for line := range strings.Lines(log) {
		if strings.Contains(line, "takes no more connections") {
			draining++
		}
		if strings.Contains(line, " exited normally (") {
			draining--
		}
		most = max(most, draining)
	}
	if most > 2 {
		t.Errorf("%d workers drained at once, MAX_SHUTDOWN is 2:\n%s", most, log)
	}
}

// TestLifeTime wants a worker that has had its time to end although it has a
// client, when that has gone.
func TestLifeTime(t *testing.T) {
	r := start(t, site.Service{MinProcs: 1, MaxProcs: 1, MaxLifeTime: time.Second})
	old, err := dial(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	labtest.WaitFor(t, "the worker to be relieved", func() bool { return strings.Contains(r.log(t), "MAX_LIFE_TIME; 1 are open") })
	next, err := dial(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	if next.pid == old.pid {
		t.Error("a worker beyond its life took a client")
	}
	if err := errors.Join(old.say(), old.quit(), next.quit()); err != nil {
		t.Error(err)
	}
	labtest.WaitFor(t, "the old worker's end", func() bool {
		return strings.Contains(r.log(t), fmt.Sprintf("process tcp_smtp_server %d exited normally (MAX_LIFE_TIME)", old.pid))
	})
}

// TestKilled wants refused connections after the dispatcher's death, and
// running sessions to go on. A worker that was just being started has the ports
// for the moment until it is the program that it is to be.
func TestKilled(t *testing.T) {
	r := start(t, site.Service{MinProcs: 2, MaxProcs: 2})
	k, err := dial(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = r.cmd.Wait()
	labtest.WaitFor(t, "a refused connection", func() bool { return refused(r.addr) })
	if err := k.say(); err != nil {
		t.Errorf("the running session: %v", err)
	}
	labtest.WaitFor(t, "the idle worker's end", func() bool { return len(r.children(t)) == 1 })
	next := r.launch(t)
	labtest.WaitFor(t, "the next dispatcher, beside the orphan", func() bool { return !refused(r.addr) })
	if err := next.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	labtest.WaitFor(t, "the next dispatcher's workers' end", func() bool { return len(r.children(t)) == 1 })
	if err := k.quit(); err != nil {
		t.Errorf("the running session: %v", err)
	}
	labtest.WaitFor(t, "the orphan's end", func() bool { return len(r.children(t)) == 0 })
}

// TestTerminated wants SIGTERM to let sessions end, with no port open.
func TestTerminated(t *testing.T) {
	r := start(t, site.Service{MinProcs: 1})
	k, err := dial(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	labtest.WaitFor(t, "a refused connection", func() bool {
		return refused(r.addr)
	})
	if err := errors.Join(k.say(), k.quit()); err != nil {
		t.Error(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("dispatcher: %v", err)
	}
	if !strings.HasSuffix(r.log(t), "dispatcher stopped\n") {
		t.Errorf("the log:\n%s", r.log(t))
	}
}

// TestCapacity wants the clients beyond the capacity to wait, not to be turned
// away, and the log to say so.
func TestCapacity(t *testing.T) {
	r := start(t, site.Service{MinProcs: 0, MaxProcs: 2, MinConns: 1, MaxConns: 2})
	var held []*talk
	pids := map[int]bool{}
	for range 4 {
		k, err := dial(r.addr)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, k)
		pids[k.pid] = true
	}
	if len(pids) != 2 {
		t.Errorf("%d processes hold 4 connections; want 2", len(pids))
	}
	fifth := make(chan error, 1)
	go func() {
		k, err := dial(r.addr)
		if err == nil {
			err = k.quit()
		}
		fifth <- err
	}()
	labtest.WaitFor(t, "the warning", func() bool { return strings.Contains(r.log(t), "process limit reached") })
	select {
	case err := <-fifth:
		t.Fatalf("the fifth was served beyond the capacity: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := held[0].quit(); err != nil {
		t.Error(err)
	}
	if err := <-fifth; err != nil {
		t.Errorf("the fifth: %v", err)
	}
}
