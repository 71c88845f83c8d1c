package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/channel"
	"github.com/mtawatch/mtawatch/internal/lab/jobs"
	"github.com/mtawatch/mtawatch/internal/lab/labtest"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/returnjob"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// TestMain is each of the programs as well, under its name: the tests run them
// as processes.
func TestMain(m *testing.M) {
	labtest.Main(m, map[string]labtest.Program{
		"job_controller":  jobs.Main,
		"tcp_smtp_client": channel.SMTP,
		"ims_master":      channel.Store,
		"process":         channel.Process,
		"return":          returnjob.Main,
	})
}

// back is the back half of a practice MTA: queue, controller, programs.
type back struct {
	t     testing.TB
	site  *site.Site
	queue *queue.Queue
	cmd   *exec.Cmd
}

func newBack(t testing.TB, s site.Settings) *back {
	t.Helper()
	s.JobPort, s.RemotePort, s.NameServer = labtest.FreePort(t), labtest.FreePort(t), fmt.Sprintf("127.0.0.1:%d", labtest.FreePort(t))
	s.Users = []string{"alice", "bob"}
	made, err := site.Create(filepath.Join(t.TempDir(), "base"), s)
	if err != nil {
		t.Fatal(err)
	}
	b := &back{t: t, site: made, queue: queue.Open(made)}
	t.Cleanup(b.end)
	return b
}

func (b *back) start() {
	b.t.Helper()
	b.cmd = exec.Command(b.site.Program("job_controller"))
	b.cmd.Stderr = os.Stderr
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	labtest.WaitFor(b.t, "the controller to listen", func() bool {
		c, err := net.Dial("tcp", jobs.Address(b.site))
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

func (b *back) kill() {
	if b.cmd != nil {
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait()
		b.cmd = nil
	}
}

// end kills the controller; its programs see that and end.
func (b *back) end() {
	b.kill()
	labtest.WaitFor(b.t, "the programs to end", func() bool { return len(b.processes("")) == 0 })
}

// processes gives those of the site, by name; "" is all.
func (b *back) processes(name string) []int {
	b.t.Helper()
	pids, err := b.site.Processes(name)
	if err != nil {
		b.t.Fatal(err)
	}
	return pids
}

func (b *back) enqueue(to string, text string) queue.Entry {
	b.t.Helper()
	ch, ok := b.site.Route(to)
	if !ok {
		b.t.Fatal(to)
	}
	e, err := b.queue.Enqueue(ch, &queue.Envelope{Source: "tcp_intranet", From: "x@example.net", MessageID: "<" + text + "@example.net>", Arrived: time.Now(),
		Recipients: []queue.Recipient{{Original: "rfc822;" + to, Address: to}}}, strings.NewReader("Subject: "+text+"\n\n"+text+"\n"))
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

func (b *back) queued() (n int) {
	b.t.Helper()
	list, err := b.queue.Channels()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, ch := range list {
		if err := b.queue.Walk(ch, func(queue.Entry) error { n++; return nil }); err != nil {
			b.t.Fatal(err)
		}
	}
	return n
}

func (b *back) mailbox(user string) []string {
	list, err := filepath.Glob(filepath.Join(b.site.StoreDir(), user, "Maildir", "new", "*"))
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

// errors gives what the controllers wrote into their logs.
func (b *back) errors() string {
	var all []byte
	list, _ := filepath.Glob(filepath.Join(b.site.LogDir(), "job_controller.log-*"))
	for _, name := range list {
		text, err := os.ReadFile(name)
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, text...)
	}
	return string(all)
}

func (b *back) log() string {
	text, err := os.ReadFile(filepath.Join(b.site.LogDir(), "mail.log_current"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.t.Fatal(err)
	}
	return string(text)
}

func (b *back) ask(command ...string) []string {
	b.t.Helper()
	lines, err := jobs.Ask(context.Background(), b.site, command...)
	if err != nil {
		b.t.Fatal(err)
	}
	return lines
}

// TestController: told of messages it has them delivered; without it the queue
// grows, and when it is there again it drains; its log stays empty.
func TestController(t *testing.T) {
	b := newBack(t, site.Settings{})
	b.start()
	client := jobs.NewClient(b.site)
	defer client.Close()
	tell := func(e queue.Entry) error {
		m, err := b.queue.Read(e)
		if err != nil {
			return nil // it is delivered already
		}
		defer m.Close()
		return client.Tell(e, &m.Envelope, m.Blocks())
	}
	for i := range 20 {
		if err := tell(b.enqueue("alice@example.com", fmt.Sprint("first-", i))); err != nil {
			t.Fatal(err)
		}
	}
	labtest.WaitFor(b.t, "20 deliveries", func() bool { return len(b.mailbox("alice")) == 20 && b.queued() == 0 })
	if names := b.processes("ims_master"); len(names) != 1 {
		t.Errorf("%d programs for a pool of one", len(names))
	}
	if n := strings.Count(b.log(), " D 1 x@example.net rfc822;alice@example.com alice@ims-ms-daemon "); n != 20 {
		t.Errorf("%d D records:\n%s", n, b.log())
	}
	k, err := jobs.ParseCounters(b.ask("COUNTERS", "ims-ms"))
	if err != nil || len(k) != 1 || k[0].Received.Messages != 20 || k[0].Stored.Messages != 0 || k[0].Delivered.Messages != 20 || k[0].First != 20 {
		t.Errorf("counters %+v, %v", k, err)
	}

	b.kill()
	labtest.WaitFor(b.t, "the programs to end", func() bool { return len(b.processes("")) == 0 })
	for i := range 20 {
		if err := tell(b.enqueue("bob@example.com", fmt.Sprint("second-", i))); err == nil && i > 0 {
			t.Error("told a controller that is not there")
		}
	}
	if b.queued() != 20 || len(b.mailbox("bob")) != 0 {
		t.Errorf("%d queued, %d delivered without a controller", b.queued(), len(b.mailbox("bob")))
	}
	b.start()
	labtest.WaitFor(b.t, "the queue to drain", func() bool { return len(b.mailbox("bob")) == 20 && b.queued() == 0 })
	if text := b.errors(); text != "" {
		t.Errorf("job_controller.log: %s", text)
	}
	second := exec.Command(b.site.Program("job_controller"))
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(b.errors(), "is another job controller running?") {
		t.Errorf("a second controller: %v, %s, log %q", err, out, b.errors())
	}
}

// TestStopAndRetry: a stopped channel keeps its mail, over a restart too; what
// failed waits for its time, and a synchronisation makes it urgent.
func TestStopAndRetry(t *testing.T) {
	b := newBack(t, site.Settings{Backoff: []time.Duration{time.Hour}})
	if err := jobs.SetStopped(b.site, "ims-ms", true); err != nil {
		t.Fatal(err)
	}
	b.enqueue("alice@example.com", "one")
	b.enqueue("x@far.example", "two")
	b.start()
	var name string
	labtest.WaitFor(b.t, "an attempt", func() bool { // nobody answers at that name server's port
		_ = b.queue.Walk("tcp_local", func(e queue.Entry) error { name = filepath.Base(e.Path); return nil })
		return strings.HasPrefix(name, "ZY")
	})
	labtest.WaitFor(b.t, "it to wait", func() bool { return slices.Contains(b.ask("MESSAGES", "tcp_local"), "tcp_local\tfar.example\t0\t1") })
	if got := b.ask("MESSAGES", "ims-ms"); !slices.Equal(got, []string{"ims-ms\t\t1\t0"}) || len(b.mailbox("alice")) != 0 {
		t.Errorf("a stopped channel: %q, %d delivered", got, len(b.mailbox("alice")))
	}
	b.ask("SYNC")
	labtest.WaitFor(b.t, "an urgent attempt", func() bool {
		_ = b.queue.Walk("tcp_local", func(e queue.Entry) error { name = filepath.Base(e.Path); return nil })
		return strings.HasPrefix(name, "ZX")
	})
	if err := jobs.SetStopped(b.site, "ims-ms", false); err != nil {
		t.Fatal(err)
	}
	labtest.WaitFor(b.t, "the delivery", func() bool { return len(b.mailbox("alice")) == 1 })
	b.kill()
	b.start()
	labtest.WaitFor(b.t, "it to wait", func() bool { return slices.Contains(b.ask("MESSAGES", "tcp_local"), "tcp_local\tfar.example\t0\t1") })
	if _, err := jobs.Ask(context.Background(), b.site, "MESSAGES", "none"); err == nil {
		t.Error("an answer about no channel")
	}
}

// TestMaxMessages: more on the disk than the controller may know is delivered
// all the same; those that wait for their next attempt keep no new one out.
func TestMaxMessages(t *testing.T) {
	b := newBack(t, site.Settings{Backoff: []time.Duration{time.Hour}})
	name := filepath.Join(b.site.ConfigDir(), "job_controller.cnf")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(text), "MAX_MESSAGES=100000", "MAX_MESSAGES=10", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	for i := range 35 {
		b.enqueue("alice@example.com", fmt.Sprint(i))
		b.enqueue("x@far.example", fmt.Sprint(i))
	}
	b.start()
	labtest.WaitFor(b.t, "all deliveries", func() bool { return len(b.mailbox("alice")) == 35 })
	labtest.WaitFor(b.t, "an attempt at all others", func() bool {
		fresh := 0
		_ = b.queue.Walk("tcp_local", func(e queue.Entry) error {
			if e.Attempts == 0 {
				fresh++
			}
			return nil
		})
		return fresh == 0
	})
	e := b.enqueue("alice@example.com", "one more")
	if err := jobs.Tell(context.Background(), b.site, e); err != nil {
		t.Fatal(err)
	}
	labtest.WaitFor(b.t, "one more", func() bool { return len(b.mailbox("alice")) == 36 })
}

// TestReturnJob: at each midnight of the practice's days the controller starts
// the return job, also at its own start when it has missed one.
func TestReturnJob(t *testing.T) {
	b := newBack(t, site.Settings{Day: 2 * time.Second, Notices: []float64{1}})
	b.enqueue("x@far.example", "old")
	last := filepath.Join(b.site.RunDir(), "return.last")
	if err := os.WriteFile(last, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missed := time.Now().Add(-time.Hour)
	if err := os.Chtimes(last, missed, missed); err != nil {
		t.Fatal(err)
	}
	b.start()
	labtest.WaitFor(b.t, "the log to be rotated", func() bool {
		_, err := os.Stat(filepath.Join(b.site.LogDir(), "mail.log_yesterday"))
		return err == nil
	})
	labtest.WaitFor(b.t, "the message to be returned", func() bool {
		pieces, _ := filepath.Glob(filepath.Join(b.site.LogDir(), "mail.log*"))
		return slices.ContainsFunc(pieces, func(name string) bool {
			text, err := os.ReadFile(name)
			return err == nil && strings.Contains(string(text), " tcp_local                 R 1 x@example.net rfc822;x@far.example ")
		})
	})
	if text := b.errors(); text != "" {
		t.Errorf("job_controller.log: %s", text)
	}
}

// TestServe ends with its context after what is in work; the rest stays with
// the controller.
func TestServe(t *testing.T) {
	in, feed := io.Pipe()
	defer feed.Close()
	ctx, stop := context.WithCancel(context.Background())
	working, finish := make(chan bool), make(chan bool)
	var out strings.Builder
	done := make(chan error)
	go func() {
		done <- jobs.Serve(ctx, in, &out, func(ctx context.Context, _ int, name string) jobs.Result {
			working <- true
			<-finish
			if ctx.Err() != nil {
				t.Error("what is in work was cut short")
			}
			return jobs.Result{State: jobs.Done}
		})
	}()
	if _, err := io.WriteString(feed, "no name\nims-ms/ZZabc.00\n"); err != nil {
		t.Fatal(err)
	}
	<-working
	stop()
	close(finish)
	if err := <-done; err != nil || out.String() != "D\tims-ms/ZZabc.00\t\t0\t0\t0\t0\t0\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// TestBroken: what is no whole message is put aside, and said.
func TestBroken(t *testing.T) {
	b := newBack(t, site.Settings{})
	e := b.enqueue("alice@example.com", "half")
	if err := os.Truncate(e.Path, e.Size-10); err != nil {
		t.Fatal(err)
	}
	b.start()
	labtest.WaitFor(b.t, "it to be held", func() bool { return strings.Contains(b.errors(), "no whole message") })
	if list, err := filepath.Glob(filepath.Join(b.site.QueueDir(), "ims-ms", "*", "*.HELD")); err != nil || len(list) != 1 {
		t.Errorf("held: %q, %v", list, err)
	}
}
