package probe

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

var start = time.Date(2026, 11, 2, 14, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

func TestStepDNS(t *testing.T) {
	ns := newNameServer(t, code(dnsmessage.RCodeNameError))
	p := New(Config{Settings: Settings{DNS: true}, Host: "mx.example.net", Resolvers: []netip.AddrPort{ns.addr}})
	for s := 0; s < 130; s += 5 {
		p.Step(t.Context(), at(s))
	}
	asked := ns.questions()
	if len(asked) != 13 {
		t.Errorf("asked %d times in 130 s", len(asked))
	}
	labels := slices.Compact(asked)
	if len(labels) != 3 || !strings.HasPrefix(labels[0], "mtawatch-") || !strings.HasSuffix(labels[0], ".example.net. A") {
		t.Errorf("asked for %q, want a new name each minute", labels)
	}
	ns.set(code(dnsmessage.RCodeServerFailure))
	r := p.Step(t.Context(), at(130))
	if len(r.Probes) != 1 || r.Probes[0].OK || r.Probes[0].Name != NameDNS {
		t.Fatalf("got %+v", r.Probes)
	}
	p.Step(t.Context(), at(140))
	p.Step(t.Context(), at(150))
	if asked := ns.questions(); len(asked) != 6 || len(slices.Compact(slices.Sorted(slices.Values(asked)))) < 5 {
		t.Errorf("asked %q while it fails, want new names", asked)
	}
	ns.set(ownFails)
	if r := p.Step(t.Context(), at(160)); len(r.Probes) != 1 || !r.Probes[0].OK {
		t.Errorf("got %+v", r.Probes)
	}
	if r := p.Step(t.Context(), at(170)); len(r.Probes) != 0 {
		t.Errorf("asked again at once: %+v", r.Probes)
	}
	if r := p.Step(t.Context(), at(220)); len(r.Probes) != 1 {
		t.Error("not asked again after a minute")
	}
	if past := p.Past(NameDNS); len(past) != 18 || !past[12].OK || past[13].OK || !past[17].OK {
		t.Errorf("past %+v", past)
	}
}

// TestNeverGood holds that a failure is no news before the first success,
// also after a restart, and is news once there was one.
func TestNeverGood(t *testing.T) {
	ns := newNameServer(t, code(dnsmessage.RCodeRefused))
	cfg := Config{Settings: Settings{DNS: true}, Host: "mx.example.net", Resolvers: []netip.AddrPort{ns.addr}}
	p := New(cfg)
	if r := p.Step(t.Context(), at(0)); len(r.Probes) != 0 || len(p.Past(NameDNS)) != 1 {
		t.Errorf("reported %+v", r.Probes)
	}
	ns.set(code(dnsmessage.RCodeSuccess))
	if r := p.Step(t.Context(), at(10)); len(r.Probes) != 1 || !r.Probes[0].OK {
		t.Errorf("reported %+v", r.Probes)
	}
	again := New(cfg)
	p.Flush(func(k string, v []byte) {
		if err := again.Load(k, v); err != nil {
			t.Error(err)
		}
	})
	ns.set(code(dnsmessage.RCodeRefused))
	if r := again.Step(t.Context(), at(20)); len(r.Probes) != 1 || r.Probes[0].OK {
		t.Errorf("reported %+v", r.Probes)
	}
	if err := again.Load("x", nil); err == nil {
		t.Error("an odd record was read")
	}
}

func TestStepPorts(t *testing.T) {
	one, two := newListener(t, "220 one\r\n"), newListener(t, "220 two\r\n")
	p := New(Config{Settings: Settings{SMTP: true, SMTPInterval: time.Minute}})
	count := func(from, to int) (n int, last bool) {
		for s := from; s < to; s += 10 {
			for _, r := range p.Step(t.Context(), at(s)).Probes {
				n, last = n+1, r.OK
			}
		}
		return n, last
	}
	if n, _ := count(0, 60); n != 0 {
		t.Errorf("asked %d times without a port", n)
	}
	p.SetPorts([]netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), one.addr.Port()), two.addr, netip.MustParseAddrPort("127.0.0.1:465")})
	if n, ok := count(100, 220); n != 2 || !ok {
		t.Errorf("asked %d times in two minutes, good %t", n, ok)
	}
	p.Suspect(true)
	if n, _ := count(220, 280); n != 6 {
		t.Errorf("asked %d times in a minute of suspicion", n)
	}
	p.Suspect(false)
	two.say("421 busy\r\n")
	if n, ok := count(330, 390); n != 6 || ok {
		t.Errorf("asked %d times in a minute of failure, good %t", n, ok)
	}
	if past := p.Past(NameSMTP); !strings.HasPrefix(past[len(past)-1].Text, "refuses: 421") {
		t.Errorf("the failing port is not the one told: %+v", past[len(past)-1])
	}
}

// TestPortNeverGreets holds that a port that never greeted spoils nothing, and
// that one that did is known after a restart too.
func TestPortNeverGreets(t *testing.T) {
	one, tls, two := newListener(t, "220 one\r\n"), newListener(t, "421 not like this\r\n"), newListener(t, "220 two\r\n")
	cfg := Config{Settings: Settings{SMTP: true, SMTPInterval: time.Minute}}
	p := New(cfg)
	p.SetPorts([]netip.AddrPort{tls.addr, one.addr, two.addr})
	if r := p.Step(t.Context(), at(0)); len(r.Probes) != 1 || !r.Probes[0].OK || r.Probes[0].Target != one.addr.String() {
		t.Errorf("reported %+v", r.Probes)
	}
	again := New(cfg)
	p.Flush(func(k string, v []byte) {
		if err := again.Load(k, v); err != nil {
			t.Error(err)
		}
	})
	two.say("421 busy\r\n")
	again.SetPorts([]netip.AddrPort{tls.addr, one.addr, two.addr})
	if r := again.Step(t.Context(), at(60)); len(r.Probes) != 1 || r.Probes[0].OK || r.Probes[0].Target != two.addr.String() {
		t.Errorf("reported %+v", r.Probes)
	}
	again.SetPorts([]netip.AddrPort{tls.addr})
	if r := again.Step(t.Context(), at(180)); len(r.Probes) != 0 {
		t.Errorf("reported %+v", r.Probes)
	}
}

func TestStepReach(t *testing.T) {
	ns := newNameServer(t, code(dnsmessage.RCodeNameError))
	p := New(Config{Settings: Settings{Remote: true}, Resolvers: []netip.AddrPort{ns.addr}, RemotePort: 1})
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprintf("d%d.example", i))
	}
	p.Want(append([]string{"other", "192.0.2.1/24", "[192.0.2.1]", ""}, want...))
	asked := map[string]int{}
	for s := 0; s < 3590; s += 10 {
		for d, r := range p.Step(t.Context(), at(s)).Reach {
			asked[d]++
			if r.OK || r.Target != d {
				t.Errorf("%s: %+v", d, r)
			}
		}
	}
	if len(asked) != ReachHourly {
		t.Errorf("asked %v in an hour, want %d domains", asked, ReachHourly)
	}
	p.Want([]string{"d0.example"})
	n := 0
	for s := 4000; s < 5790; s += 10 {
		n += len(p.Step(t.Context(), at(s)).Reach)
	}
	if n != 3 {
		t.Errorf("asked %d times for one domain in half an hour", n)
	}
	if len(p.reached) > 1 || len(p.Past(NameReach)) > keepPast {
		t.Errorf("%d domains remembered", len(p.reached))
	}
}

func TestStopSaysNothing(t *testing.T) {
	ns := newNameServer(t, silent)
	p := New(Config{Settings: DefaultSettings(), Resolvers: []netip.AddrPort{ns.addr}})
	p.worked[NameDNS] = true
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if r := p.Step(ctx, at(0)); len(r.Probes) != 0 || len(p.Past(NameDNS)) != 0 {
		t.Errorf("being stopped was taken for an answer: %+v", r)
	}
}

func TestClockSteps(t *testing.T) {
	ns := newNameServer(t, code(dnsmessage.RCodeNameError))
	p := New(Config{Settings: Settings{DNS: true}, Resolvers: []netip.AddrPort{ns.addr}})
	n := 0
	for _, s := range []int{0, 10, -3600, -3590, 100000} {
		n += len(p.Step(t.Context(), at(s)).Probes)
	}
	if n != 5 {
		t.Errorf("asked %d of 5 times", n)
	}
}

func TestQuestionName(t *testing.T) {
	for _, tt := range []struct{ host, set, want string }{
		{"mx.example.org", "", "example.org"}, {"MX.Example.org.", "", "example.org"}, {"example.org", "", "example.org"},
		{"a.mx.example.org", "", "mx.example.org"}, {"mx", "", ""}, {"mx.localdomain", "", ""}, {"mx.corp.internal", "", ""},
		{"mx.example.org", "example.net.", "example.net"}, {"mx.example.org", ".", ""}, {"b d.example.org", "", "example.org"},
	} {
		if got := questionName(Config{Host: tt.host, Settings: Settings{DNSName: tt.set}}); got != tt.want {
			t.Errorf("%q, set %q: got %q, want %q", tt.host, tt.set, got, tt.want)
		}
	}
}
