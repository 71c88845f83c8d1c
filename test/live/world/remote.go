//go:build linux

package world

import (
	"fmt"
	"net"
	"os/exec"
	"time"

	lab "github.com/mtawatch/mtawatch/internal/lab/world"
)

// Behaviour is how a remote mail host answers. Its mail domain is
// NAME.example, its host mx.NAME.example.
type Behaviour struct {
	Name    string
	Address string // "" when the domain has no host
	Status  string // what the sender's log says in the end: sent, deferred or bounced
	Cause   string // why, in the words of the vocabulary; "" when sent

	Manner
}

// Manner is what a mail host says and does, the same as of the practice MTA's
// remote sites. What their ports do is not in it here (Closed, Deaf, Gone): see
// Refuse and Silence.
type Manner = lab.Manner

// Behaviours lists the remote hosts of the world. Each call gives a fresh
// list, which a caller may change before Remote takes it.
func Behaviours() []Behaviour {
	return []Behaviour{
		{Name: "ok", Address: "10.77.1.10", Status: "sent"},
		{Name: "refused", Address: "10.77.1.11", Status: "deferred", Cause: "connect-refused"},
		{Name: "timeout", Address: "10.77.1.12", Status: "deferred", Cause: "connect-timeout"},
		{Name: "temp", Address: "10.77.1.13", Status: "deferred", Cause: "remote-unavailable", Manner: Manner{Rcpt: "451 4.3.0 Temporary system failure, please try later"}},
		{Name: "perm", Address: "10.77.1.14", Status: "bounced", Cause: "unknown-user", Manner: Manner{Rcpt: "550 5.1.1 User unknown"}},
		{Name: "grey", Address: "10.77.1.15", Status: "sent", Cause: "greylisted", Manner: Manner{Rcpt: "450 4.7.1 Greylisted, please try again later", Grey: 5 * time.Second}},
		{Name: "c421", Address: "10.77.1.16", Status: "deferred", Cause: "remote-unavailable", Manner: Manner{Greet: "421 4.3.2 Service not available, closing transmission channel"}},
		{Name: "slow", Address: "10.77.1.17", Status: "sent", Manner: Manner{Slow: 400 * time.Millisecond}},
		{Name: "drop", Address: "10.77.1.18", Status: "deferred", Cause: "connection-lost", Manner: Manner{Drop: true}},
		{Name: "full", Address: "10.77.1.19", Status: "deferred", Cause: "mailbox-full", Manner: Manner{Rcpt: "452 4.2.2 Mailbox full"}},
		{Name: "spam", Address: "10.77.1.20", Status: "bounced", Cause: "content", Manner: Manner{End: "554 5.7.1 Message rejected as spam by content filter"}},
		{Name: "nx", Status: "bounced", Cause: "no-such-domain"},
		{Name: "dead", Status: "deferred", Cause: "dns-failure"},
		{Name: "stall", Address: "10.77.1.21", Status: "deferred", Cause: "reply-timeout", Manner: Manner{Mute: true}},
	}
}

// clientNames is how many of the outside's addresses, from 10.77.1.100 on,
// have a name.
const clientNames = 60

// Domain gives the mail domain of a behaviour.
func (v Behaviour) Domain() string { return v.Name + ".example" }

// Remote is the pretend Internet: mail hosts, their names, and a resolver.
type Remote struct {
	box     *Box
	hosts   []*mailHost
	dns     *service
	dnsArgs []string
}

// Remote starts the mail hosts of the list and the resolver that knows them.
func (b *Box) Remote(list []Behaviour) (*Remote, error) {
	r := &Remote{box: b}
	err := b.Outside(func() error { return r.start(list) })
	if err != nil {
		r.Stop()
		return nil, fmt.Errorf("start remote hosts: %w", err)
	}
	return r, nil
}

func (r *Remote) start(list []Behaviour) error {
	args := []string{"--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=",
		"--log-facility=/dev/null", "--listen-address=" + OutsideAddress, "--bind-interfaces", "--local=/example/", "--local=/example.com/",
		"--local=/in-addr.arpa/", "--server=/dead.example/10.77.1.250", "--neg-ttl=1",
		"--host-record=mta.example.com," + MTAAddress, "--host-record=client.example.com," + OutsideAddress}
	for i := range clientNames {
		args = append(args, fmt.Sprintf("--host-record=c%d.example.com,10.77.1.%d", i, 100+i))
	}
	for _, v := range list {
		if v.Address == "" {
			continue
		}
		args = append(args, fmt.Sprintf("--mx-host=%s,mx.%s,10", v.Domain(), v.Domain()), fmt.Sprintf("--host-record=mx.%s,%s", v.Domain(), v.Address))
		if v.Name == "refused" || v.Name == "timeout" {
			continue
		}
		h := newMailHost(r.box, v)
		if err := h.open(); err != nil {
			return err
		}
		r.hosts = append(r.hosts, h)
	}
	// Silence, unlike a closed port, is what makes a client wait.
	if err := runInput(`
add table ip world
add chain ip world quiet { type filter hook input priority 0; }
flush chain ip world quiet
add rule ip world quiet ip daddr 10.77.1.12 drop
add rule ip world quiet ip daddr 10.77.1.250 drop
`, "nft", "-f", "-"); err != nil {
		return err
	}
	r.dnsArgs = args
	return r.startDNS()
}

func (r *Remote) startDNS() (err error) {
	if r.dns, err = startService(exec.Command("dnsmasq", r.dnsArgs...)); err != nil {
		return err
	}
	return r.waitDNS()
}

// waitDNS waits until the resolver answers, which it does within
// milliseconds, or has ended.
func (r *Remote) waitDNS() error {
	for range 100 {
		select {
		case <-r.dns.done:
			return fmt.Errorf("dnsmasq ended: %v", r.dns.cmd.ProcessState)
		case <-time.After(50 * time.Millisecond):
		}
		c, err := net.Dial("tcp", OutsideAddress+":53")
		if err == nil {
			return c.Close()
		}
	}
	return fmt.Errorf("dnsmasq does not answer")
}

// Accepted gives the messages that each mail host took, by behaviour.
func (r *Remote) Accepted() map[string]int {
	n := map[string]int{}
	for _, h := range r.hosts {
		n[h.Name] = h.Accepted()
	}
	return n
}

// Stop ends the mail hosts and the resolver.
func (r *Remote) Stop() {
	for _, h := range r.hosts {
		h.close()
	}
	if r.dns != nil {
		r.dns.stop()
	}
}
