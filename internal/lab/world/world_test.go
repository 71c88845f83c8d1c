package world

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mtawatch/mtawatch/internal/lab/labtest"
)

// mta is the least of an MTA: it takes every letter and notes its envelope.
type mta struct {
	mu      sync.Mutex
	letters []string
	sources map[string]bool
}

func (m *mta) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go m.session(c)
	}
}

func (m *mta) session(c net.Conn) {
	defer c.Close()
	host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
	in := bufio.NewReader(c)
	fmt.Fprint(c, "220 mta.practice.example ESMTP\r\n")
	var from string
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		reply := "250 2.0.0 Ok"
		switch verb := strings.ToUpper(strings.Fields(line)[0]); verb {
		case "AUTH":
			reply = "235 2.7.0 Ok"
		case "MAIL":
			from = address(line)
		case "RCPT":
			m.mu.Lock()
			m.letters = append(m.letters, from+" "+address(line))
			m.sources[host] = true
			m.mu.Unlock()
		case "DATA":
			fmt.Fprint(c, "354 go on\r\n")
			if _, ok := readMessage(in); !ok {
				return
			}
		case "QUIT":
			reply = "221 bye"
		}
		fmt.Fprint(c, reply+"\r\n")
		if reply == "221 bye" {
			return
		}
	}
}

// start runs a world against such an MTA, on ports that were free.
func start(t *testing.T, cfg Config) (*World, *mta) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	m := &mta{sources: make(map[string]bool)}
	go m.serve(l)
	cfg.SMTP, cfg.Domain, cfg.Host = l.Addr().String(), "practice.example", "mta.practice.example"
	cfg.NameServer, cfg.RemotePort = freeAddress(t), labtest.FreePort(t)
	cfg.Users = []User{{"ada", "secret"}, {"bob", "secret"}}
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	up, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- w.Run(ctx, func() { close(up) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-up:
	case err := <-done:
		done <- nil
		t.Fatal(err)
	}
	return w, m
}

func freeAddress(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", labtest.FreePort(t))
}

func TestNames(t *testing.T) {
	w, _ := start(t, Config{})
	ask := func(network, name string, kind uint16) (*dns.Msg, error) {
		c := dns.Client{Net: network, Timeout: 300 * time.Millisecond}
		m, _, err := c.Exchange(new(dns.Msg).SetQuestion(name, kind), w.cfg.NameServer)
		return m, err
	}
	for _, network := range []string{"udp", "tcp"} {
		for _, c := range []struct {
			name string
			kind uint16
			want string // in an answer; "" is none
			code int
		}{
			{"north.example.", dns.TypeMX, "mx.north.example.", dns.RcodeSuccess},
			{"NORTH.example.", dns.TypeMX, "mx.north.example.", dns.RcodeSuccess},
			{"north.example.", dns.TypeA, "", dns.RcodeSuccess},
			{"mx.north.example.", dns.TypeA, "127.20.0.", dns.RcodeSuccess},
			{"mx.north.example.", dns.TypeAAAA, "", dns.RcodeSuccess},
			{"practice.example.", dns.TypeMX, "mta.practice.example.", dns.RcodeSuccess},
			{"dead.example.", dns.TypeMX, "", dns.RcodeNameError},
			{"elsewhere.test.", dns.TypeA, "", dns.RcodeNameError},
			{"12.1.10.127.in-addr.arpa.", dns.TypePTR, "out22.example.", dns.RcodeSuccess},
			{"1.2.0.192.in-addr.arpa.", dns.TypePTR, "", dns.RcodeNameError},
			{"x.in-addr.arpa.", dns.TypePTR, "", dns.RcodeNameError},
		} {
			m, err := ask(network, c.name, c.kind)
			if err != nil {
				t.Errorf("%s %s: %v", network, c.name, err)
				continue
			}
			got := ""
			if len(m.Answer) > 0 {
				got = m.Answer[0].String()
			}
			if m.Rcode != c.code || c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("%s %s %s: got %s %q, want %s %q", network, c.name, dns.TypeToString[c.kind], dns.RcodeToString[m.Rcode], got, dns.RcodeToString[c.code], c.want)
			}
		}
	}
	w.Names(NamesFailing)
	if m, err := ask("udp", "north.example.", dns.TypeMX); err != nil || m.Rcode != dns.RcodeServerFailure {
		t.Errorf("a failing name server gave %v, %v", m, err)
	}
	w.Names(NamesSilent)
	if m, err := ask("udp", "north.example.", dns.TypeMX); err == nil {
		t.Errorf("a silent name server answered %v", m)
	}
	w.Names(NamesAnswered)
	if _, err := ask("udp", "north.example.", dns.TypeMX); err != nil {
		t.Errorf("the name server did not come back: %v", err)
	}
}

// speak is one delivery to a site: it gives the last reply, or the error of
// the connection.
func speak(w *World, site, from, to string) string {
	c, err := net.DialTimeout("tcp4", w.remotes[site].address(), 400*time.Millisecond)
	if err != nil {
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			return "timeout"
		}
		return "refused"
	}
	defer c.Close()
	s := &Session{conn: c, in: bufio.NewReader(c)}
	_ = c.SetDeadline(time.Now().Add(700 * time.Millisecond))
	if err := s.expect("220"); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return "no word"
		}
		return err.Error()
	}
	if err := s.SendText(from, []string{to}, []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
		return err.Error()
	}
	s.Quit()
	return "taken"
}

func TestSites(t *testing.T) {
	w, _ := start(t, Config{Sites: named(t, Sites())})
	to := func(site string) string { return speak(w, site, "a@practice.example", "b@"+site+".example") }
	for _, c := range []struct {
		site string
		m    Manner
		want string
	}{
		{"north", Manner{}, "taken"},
		{"slow", Manner{Slow: 30 * time.Millisecond}, "taken"},
		{"policy", w.remotes["policy"].site.Manner, "550 5.7.1"},
		{"spam", w.remotes["spam"].site.Manner, "554 5.7.1"},
		{"full", Manner{Rcpt: replyFull}, "452 4.2.2"},
		{"throttle", Manner{Greet: replyThrottle}, "421 4.7.28"},
		{"silent", Manner{Mute: true}, "no word"},
		{"closed", Manner{Closed: true}, "refused"},
		{"deaf", Manner{Deaf: true}, "timeout"},
	} {
		t.Run(c.site, func(t *testing.T) {
			if err := w.Change(c.m, c.site); err != nil {
				t.Fatal(err)
			}
			if err := w.remotes[c.site].settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := to(c.site); !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if got := speak(w, "north", "a@practice.example", "nobody7@north.example"); !strings.Contains(got, "550 5.1.1") {
		t.Errorf("an unknown user gave %q", got)
	}
	if w.Accepted("north") != 1 {
		t.Errorf("north took %d messages, want 1", w.Accepted("north"))
	}
	if err := w.Change(Manner{Closed: true}, "nowhere"); err == nil {
		t.Error("a site that is none could be changed")
	}
	// What was out of order comes back.
	if err := w.Change(Manner{}, "deaf"); err != nil {
		t.Fatal(err)
	}
	if err := w.remotes["deaf"].settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := to("deaf"); got != "taken" {
		t.Errorf("the deaf site did not come back: %q", got)
	}
}

// named checks that the table holds what the drills name.
func named(t *testing.T, list []Site) []Site {
	t.Helper()
	sum := 0.0
	seen := map[string]bool{}
	for i := range list {
		sum += list[i].Share
		if seen[list[i].Name] {
			t.Errorf("two sites %s", list[i].Name)
		}
		seen[list[i].Name] = true
	}
	if math.Abs(sum-1) > 0.001 {
		t.Errorf("the shares sum to %g", sum)
	}
	return list
}

func TestGreylisting(t *testing.T) {
	h := &Host{}
	m := Manner{Rcpt: replyGrey, Grey: time.Minute}
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		after time.Duration
		from  string
		want  byte
	}{{0, "a", '4'}, {59 * time.Second, "a", '4'}, {60 * time.Second, "a", '2'}, {60 * time.Second, "b", '4'}} {
		if got := h.recipient(&m, c.from, "x@grey.example", at.Add(c.after)); got[0] != c.want {
			t.Errorf("after %s from %s: %s", c.after, c.from, got)
		}
	}
}

func TestThrottling(t *testing.T) {
	h := &Host{}
	m := Manner{Rcpt: replyThrottle, PerMin: 2}
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	got := ""
	for _, after := range []time.Duration{0, 1, 2, 59, 60} {
		got += h.recipient(&m, "a", "x@big.example", at.Add(after*time.Second))[:1]
	}
	if got != "22442" {
		t.Errorf("got %s, want 22442", got)
	}
}

func TestCycle(t *testing.T) {
	m := Manner{Closed: true, Cycle: time.Minute, Bad: 20 * time.Second}
	at := time.Unix(1800000000, 0).Truncate(time.Minute)
	for after, closed := range map[time.Duration]bool{0: true, 19 * time.Second: true, 20 * time.Second: false, 59 * time.Second: false, time.Minute: true} {
		if got := m.Now(at.Add(after)).Closed; got != closed {
			t.Errorf("after %s: closed %t", after, got)
		}
	}
}

func TestDay(t *testing.T) {
	monday := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	sum, n := 0.0, 0
	for at := monday; at.Before(monday.AddDate(0, 0, 7)); at = at.Add(time.Minute) {
		sum += Day(at)
		n++
	}
	if mean := sum / float64(n); math.Abs(mean-1) > 0.01 {
		t.Errorf("the mean of a week is %g, want 1", mean)
	}
	night, noon := Day(monday.Add(3*time.Hour)), Day(monday.Add(11*time.Hour))
	if night <= 0 || noon < 2.5*night {
		t.Errorf("night %g, noon %g", night, noon)
	}
	if saturday := Day(monday.AddDate(0, 0, 5).Add(11 * time.Hour)); saturday >= noon {
		t.Errorf("saturday %g, monday %g", saturday, noon)
	}
}

// TestTraffic holds the letters that are sent to the rate and the shares.
func TestTraffic(t *testing.T) {
	w, m := start(t, Config{Rate: 200, Day: Flat})
	began := time.Now()
	time.Sleep(1500 * time.Millisecond)
	m.mu.Lock()
	defer m.mu.Unlock()
	got := float64(len(m.letters)) / time.Since(began).Seconds()
	// maxSessions bound it, for a client stays a second after its letter.
	if got < 20 {
		t.Errorf("%.0f letters a second", got)
	}
	in, out := 0, 0
	for _, l := range m.letters {
		if strings.HasSuffix(l, "@practice.example") {
			in++
		} else {
			out++
		}
	}
	if in == 0 || out == 0 || len(m.sources) < 20 {
		t.Errorf("%d letters in, %d out, from %d sources", in, out, len(m.sources))
	}
	if n := w.Rate(time.Now()); n != 200 {
		t.Errorf("rate %g", n)
	}
	w.Scale(0)
	if n := w.Rate(time.Now()); n != 0 {
		t.Errorf("rate %g after Scale(0)", n)
	}
}

func TestDraw(t *testing.T) {
	w, err := New(Config{SMTP: "127.0.0.1:1", Submission: "127.0.0.1:2", NameServer: "127.0.0.1:3", Domain: "practice.example", Users: []User{{"ada", "x"}}})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	const n = 20000
	kinds, sites, size := map[Kind]int{}, map[string]int{}, 0
	for range n {
		k, c, l := w.draw(r)
		kinds[k]++
		size += l.Size
		if k == Outbound {
			sites[Domain(l.To[0])]++
		}
		if c.User != nil && (k == Inbound || k == Stray) {
			t.Fatalf("a stranger authenticates: %+v", c)
		}
	}
	for k, want := range map[Kind]float64{Inbound: ShareInbound, Outbound: ShareOutbound, Local: ShareLocal, Stray: ShareStray} {
		if got := float64(kinds[k]) / n; math.Abs(got-want) > 0.015 {
			t.Errorf("kind %d: share %.3f, want %.3f", k, got, want)
		}
	}
	if got := float64(sites["big.example"]) / float64(kinds[Outbound]); math.Abs(got-0.32) > 0.03 {
		t.Errorf("big.example gets %.3f of what goes out", got)
	}
	if mean := float64(size) / n; math.Abs(mean-MeanSize) > 100 {
		t.Errorf("letters of %.0f bytes", mean)
	}
}

func TestFlood(t *testing.T) {
	w, m := start(t, Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if n := w.Flood(ctx, Crowd(300), 100, 50*time.Millisecond); n < 20 {
		t.Errorf("%d connections", n)
	}
	release, err := w.Hold(t.Context(), 3, Crowd(1))
	if err != nil {
		t.Fatal(err)
	}
	release()
	if len(m.letters) != 0 {
		t.Errorf("a flood sent letters: %v", m.letters)
	}
}

func TestSYN(t *testing.T) {
	p := syn(mustAddr("198.51.100.7:1025"), mustAddr("127.0.0.1:2525"), 3)
	if len(p) != 40 || p[9] != 6 || p[33] != 2 {
		t.Errorf("no SYN: % x", p)
	}
	// RFC 1071: the sum over a segment with its checksum is 0.
	pseudo := append(append([]byte{}, p[12:20]...), 0, 6, 0, 20)
	if got := checksum(append(pseudo, p[20:]...)); got != 0 {
		t.Errorf("checksum %#x", got)
	}
}

func mustAddr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
