//go:build live && linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mtawatch/mtawatch/internal/lab/labtest"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// mta is a practice MTA and who looks after it: dispatcher and job controller
// are started again when they end, as an operator's watcher would do.
type mta struct {
	t     *testing.T
	site  *site.Site
	queue *queue.Queue

	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// build makes the binary under test.
func build(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "mtawatch")
	cmd := exec.Command("go", "build", "-o", name, "github.com/mtawatch/mtawatch/cmd/mtawatch")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return name
}

const users = 20

func start(t *testing.T, s site.Settings) *mta {
	t.Helper()
	s.SMTPPort, s.JobPort, s.RemotePort = labtest.FreePort(t), labtest.FreePort(t), labtest.FreePort(t)
	s.NameServer = fmt.Sprintf("127.0.0.1:%d", labtest.FreePort(t))
	for i := range users {
		s.Users = append(s.Users, fmt.Sprintf("user%d", i))
	}
	made, err := site.Create(filepath.Join(t.TempDir(), "base"), s)
	if err != nil {
		t.Fatal(err)
	}
	m := &mta{t: t, site: made, queue: queue.Open(made)}
	m.ctx, m.stop = context.WithCancel(context.Background())
	for _, name := range []string{"dispatcher", "job_controller"} {
		m.wg.Add(1)
		go m.watch(name)
	}
	t.Cleanup(m.end)
	return m
}

// watch keeps a daemon running.
func (m *mta) watch(name string) {
	defer m.wg.Done()
	for m.ctx.Err() == nil {
		cmd := exec.Command(m.site.Program(name))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			m.t.Errorf("start %s: %v", name, err)
			return
		}
		ended := make(chan struct{})
		go func() {
			select {
			case <-m.ctx.Done():
				_ = cmd.Process.Kill()
			case <-ended:
			}
		}()
		_ = cmd.Wait()
		close(ended)
		select {
		case <-m.ctx.Done():
		case <-time.After(100 * time.Millisecond): // a watcher takes its time too
		}
	}
}

// end ends all processes of the site.
func (m *mta) end() {
	m.stop()
	m.wg.Wait()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if len(m.processes("")) == 0 {
			return
		}
	}
	for _, pid := range m.processes("") {
		m.t.Errorf("process %d is left", pid)
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill()
		}
	}
}

// processes gives those of the site, by name; "" is all.
func (m *mta) processes(name string) []int {
	m.t.Helper()
	pids, err := m.site.Processes(name)
	if err != nil {
		m.t.Error(err)
	}
	return pids
}

func (m *mta) imsimta(args ...string) error {
	out, err := exec.Command(m.site.Program("imsimta"), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// log gives all lines of the log, of whichever piece.
func (m *mta) log() []string {
	m.t.Helper()
	var lines []string
	for _, name := range []string{"mail.log", "mail.log_yesterday", "mail.log_current"} {
		text, err := os.ReadFile(filepath.Join(m.site.LogDir(), name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			m.t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// names answers for far.example: its exchanger is this machine.
type names struct{}

func (names) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(q)
	if len(q.Question) == 1 {
		name := strings.ToLower(q.Question[0].Name)
		head := dns.RR_Header{Name: name, Rrtype: q.Question[0].Qtype, Class: dns.ClassINET, Ttl: 60}
		switch {
		case name == "far.example." && head.Rrtype == dns.TypeMX:
			m.Answer = append(m.Answer, &dns.MX{Hdr: head, Preference: 10, Mx: "mx.far.example."})
		case name == "mx.far.example." && head.Rrtype == dns.TypeA:
			m.Answer = append(m.Answer, &dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 1)})
		case name != "far.example." && name != "mx.far.example.":
			m.Rcode = dns.RcodeNameError
		}
	}
	_ = w.WriteMsg(m)
}

func (m *mta) serveNames() {
	m.t.Helper()
	pc, err := net.ListenPacket("udp4", m.site.Practice.NameServer)
	if err != nil {
		m.t.Fatal(err)
	}
	server := &dns.Server{PacketConn: pc, Handler: names{}}
	go func() { _ = server.ActivateAndServe() }()
	m.t.Cleanup(func() { _ = pc.Close() })
}
