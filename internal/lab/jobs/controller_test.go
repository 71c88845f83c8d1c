package jobs

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

func testController(t *testing.T) *controller {
	t.Helper()
	s, err := site.Create(filepath.Join(t.TempDir(), "base"), site.Settings{Binary: "/bin/true", Backoff: []time.Duration{time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	log, err := newLog(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.file.Close() })
	return newController(s, log)
}

// TestToldByStrangers: whoever may connect cannot fill the memory with
// channels, but a directory that no file names is one.
func TestToldByStrangers(t *testing.T) {
	c := testController(t)
	before := len(c.channels)
	for i := range 100 {
		name := fmt.Sprintf("made_up%d", i)
		c.told(Told{Name: name + "/" + queue.Name(0, "x", "00"), Source: name, Recipients: 1}, time.Now())
		c.told(Told{Name: "tcp_local/000/" + queue.Name(0, fmt.Sprint("y", i), "00"), Source: name, Recipients: 1}, time.Now())
	}
	if len(c.channels) != before || c.count != 100 {
		t.Errorf("%d channels, want %d; %d messages", len(c.channels), before, c.count)
	}
	e, err := c.queue.Enqueue("tcp_new", &queue.Envelope{Recipients: []queue.Recipient{{Address: "x@far.example"}}}, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	c.told(Told{Name: e.Name(), Recipients: 1}, time.Now())
	if ch := c.channels["tcp_new"]; ch == nil || len(ch.messages) != 1 {
		t.Errorf("a channel by its directory: %+v", ch)
	}
}

// TestClockPutBack: a file whose last attempt lies in the future waits no
// longer than after an attempt.
func TestClockPutBack(t *testing.T) {
	c := testController(t)
	now := time.Now()
	for i, changed := range []time.Time{now.Add(24 * time.Hour), now.Add(-30 * time.Second), now.Add(-time.Hour)} {
		c.adopt(&found{fresh: []candidate{{Told{Name: "tcp_local/000/" + queue.Name(1, fmt.Sprint("x", i), "00"), Recipients: 1, Attempts: 1}, changed}}}, now)
	}
	for id, want := range map[string][2]time.Duration{"x0": {54 * time.Second, 66 * time.Second}, "x1": {24 * time.Second, 36 * time.Second}} {
		m := c.channels["tcp_local"].messages[id]
		if due := m.due.Sub(now); m.state != waiting || due < want[0] || due > want[1] {
			t.Errorf("%s is due in %s, want from %s to %s", id, due, want[0], want[1])
		}
	}
	if m := c.channels["tcp_local"].messages["x2"]; m.state != ready {
		t.Errorf("the last attempt is long ago: %+v", m)
	}
}

// failing gives errors, then one connection, then the end.
type failing struct {
	net.Listener
	errors []error
	conn   net.Conn
}

// Accept gives the next of them.
func (f *failing) Accept() (net.Conn, error) {
	if len(f.errors) > 0 {
		err := f.errors[0]
		f.errors = f.errors[1:]
		return nil, err
	}
	if c := f.conn; c != nil {
		f.conn = nil
		return c, nil
	}
	return nil, net.ErrClosed
}

// TestServeGoesOn: a controller that ran out of descriptors hears again later.
func TestServeGoesOn(t *testing.T) {
	c := testController(t)
	ours, theirs := net.Pipe()
	c.serve(&failing{errors: []error{errors.New("too many open files")}, conn: theirs})
	go fmt.Fprint(ours, "J\ttcp_local\t3\n")
	(<-c.events)(time.Now())
	_ = ours.Close()
	if n := c.channels["tcp_local"].counters.Rejected.Recipients; n != 3 {
		t.Errorf("%d", n)
	}
	if said, err := os.ReadFile(c.log.file.Name()); err != nil || !strings.Contains(string(said), "accept: too many open files") {
		t.Errorf("%q, %v", said, err)
	}
}

// TestToldAtOnce: a controller that comes up is told by the next message,
// without a pause after the last refusal.
func TestToldAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site.Site{Jobs: site.Jobs{Address: "127.0.0.1", TCPPort: l.Addr().(*net.TCPAddr).Port}}
	l.Close()
	c := NewClient(s)
	defer c.Close()
	if err := c.Rejected("tcp_local", 1); err == nil {
		t.Fatal("told nobody")
	}
	if l, err = net.Listen("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := c.Rejected("tcp_local", 1); err != nil {
		t.Errorf("the controller is there: %v", err)
	}
}
