// Command sockets measures one reading of the socket table against the tools
// that an operator has for it, in one run:
//
//	go run ./bench/sockets [-connections 10000] [-sources 2000] [-rounds 15]
//
// It makes a network namespace of its own (as root, or where user namespaces
// are allowed), opens that many loopback connections to port 25 from that
// many addresses, which makes twice as many sockets, and then times by turns:
// our reading by sock_diag, our reading of /proc/net/tcp, "ss -tan" as it is,
// "ss -tan sport = :25", "netstat -tan". Tools write to a pipe that is read
// and thrown away. It prints the median wall time of each, that time relative
// to ours, and fails when a reading does not count every connection.
//
// Three processes share the work, so that none needs more than one descriptor
// for each connection: one listens, one connects, one measures.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/host"
	"github.com/mtawatch/mtawatch/internal/mta"
)

const port = 25

type settings struct {
	connections, sources, rounds int
	role                         string
}

func main() {
	var s settings
	flag.IntVar(&s.connections, "connections", 10000, "loopback connections; each is two sockets")
	flag.IntVar(&s.sources, "sources", 2000, "distinct client addresses")
	flag.IntVar(&s.rounds, "rounds", 15, "readings by each means")
	flag.StringVar(&s.role, "role", "", "used by the program itself")
	flag.Parse()
	if err := s.run(); err != nil {
		fmt.Fprintln(os.Stderr, "sockets:", err)
		os.Exit(1)
	}
}

func (s settings) run() error {
	switch s.role {
	case "":
		return s.enter()
	case "measure":
		return s.measure()
	case "serve":
		return s.serve()
	case "connect":
		return s.connect()
	}
	return fmt.Errorf("no role %q", s.role)
}

func (s settings) command(role string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", "-role", role, fmt.Sprint("-connections=", s.connections), fmt.Sprint("-sources=", s.sources), fmt.Sprint("-rounds=", s.rounds))
	cmd.Stderr = os.Stderr
	return cmd
}

// enter runs the measurement in a new network namespace.
func (s settings) enter() error {
	cmd := s.command("measure")
	cmd.Stdout = os.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if id := os.Getuid(); id != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: id, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return cmd.Run()
}

func (s settings) serve() error {
	l, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
	if err != nil {
		return err
	}
	fmt.Println("ready")
	held := make([]net.Conn, 0, s.connections)
	for len(held) < s.connections {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		held = append(held, c)
	}
	return hold(held)
}

func (s settings) connect() error {
	held := make([]net.Conn, 0, s.connections)
	for i := range s.connections {
		n := i % s.sources
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1+byte(n>>16), byte(n>>8), byte(n))}}
		c, err := d.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return err
		}
		held = append(held, c)
	}
	return hold(held)
}

// hold says that all is there and keeps it until the parent goes.
func hold(held []net.Conn) error {
	fmt.Println("all")
	_, err := io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(held) // else they are closed as garbage
	return err
}

// A helper is a process that holds sockets as long as input is open.
type helper struct {
	words *bufio.Scanner
	input io.Closer
}

// helper starts a process that holds sockets, and waits for its first word.
func (s settings) helper(role string) (*helper, error) {
	cmd := s.command(role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	h := &helper{words: bufio.NewScanner(out), input: in}
	if !h.words.Scan() {
		return nil, fmt.Errorf("process %q ended early", role)
	}
	return h, nil
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

type means struct {
	name  string
	read  func() error
	times []time.Duration
}

func (s settings) measure() error {
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("set loopback up: %w", err)
	}
	served, err := s.helper("serve")
	if err != nil {
		return err
	}
	defer served.input.Close()
	connected, err := s.helper("connect")
	if err != nil {
		return err
	}
	defer connected.input.Close()
	if !served.words.Scan() {
		return errors.New("the listener ended early")
	}
	diag, text := host.New(host.Config{}), host.New(host.Config{NoNetlink: true})
	list := []*means{
		{name: "ours, sock_diag", read: func() error { return s.ours(diag) }},
		{name: "ours, /proc/net/tcp", read: func() error { return s.ours(text) }},
		{name: "ss -tan", read: func() error { return s.tool(2*s.connections, "ss", "-tan") }},
		{name: "ss -tan sport = :25", read: func() error { return s.tool(s.connections, "ss", "-tan", "sport", "=", ":25") }},
		{name: "netstat -tan", read: func() error { return s.tool(2*s.connections, "netstat", "-tan") }},
	}
	for range s.rounds {
		for _, m := range list {
			begin := time.Now()
			if err := m.read(); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			m.times = append(m.times, time.Since(begin))
		}
	}
	fmt.Printf("%d sockets, %d sources, median of %d readings:\n", 2*s.connections+1, s.sources, s.rounds)
	base := median(list[0].times)
	for _, m := range list {
		t := median(m.times)
		fmt.Printf("%-22s %8.2f ms (least %.2f) %6.1f times ours\n", m.name, ms(t), ms(slices.Min(m.times)), float64(t)/float64(base))
	}
	fmt.Printf("ours %.2f ms, ss -tan %.2f ms, ratio %.1f\n", ms(base), ms(median(list[2].times)), float64(median(list[2].times))/float64(base))
	return nil
}

func median(d []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(d))[len(d)/2]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (s settings) ours(m *host.Machine) error {
	c, err := m.Sockets(context.Background(), []uint16{port})
	if err != nil {
		return err
	}
	if p := c.Ports[0]; int(p.States[mta.TCPEstablished]) != s.connections || p.Sources != min(s.sources, s.connections) || !p.Listening {
		return fmt.Errorf("counted %v from %d sources", p.States, p.Sources)
	}
	return nil
}

// tool runs a command and counts what it lists, at the price of one pass for
// line ends.
func (s settings) tool(want int, name string, args ...string) error {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return err
	}
	if n := strings.Count(string(out), "\n"); n < want {
		return fmt.Errorf("listed %d of %d", n, want)
	}
	return nil
}
