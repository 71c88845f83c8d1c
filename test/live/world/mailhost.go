//go:build linux

package world

import (
	"context"
	"fmt"
	"net"
	"sync"

	lab "github.com/mtawatch/mtawatch/internal/lab/world"
)

// mailHost is one remote host, on its address.
type mailHost struct {
	Behaviour
	*lab.Host

	mu       sync.Mutex
	listener net.Listener // nil while it refuses
}

func newMailHost(b *Box, v Behaviour) *mailHost {
	h := &mailHost{Behaviour: v}
	h.Host = lab.NewHost("mx."+v.Domain(), v.Manner, "mta.example.com", func(context.Context) (*lab.Session, error) {
		c, err := b.Dial(v.Address, MTAAddress+":25")
		if err != nil {
			return nil, err
		}
		return c.Session, nil
	})
	return h
}

// open listens; call it on the outside.
func (h *mailHost) open() error {
	l, err := net.Listen("tcp", h.Address+":25")
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.listener = l
	h.mu.Unlock()
	go h.serve(l)
	return nil
}

func (h *mailHost) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listener != nil {
		_ = h.listener.Close()
		h.listener = nil
	}
}

func (h *mailHost) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go h.Serve(context.Background(), c)
	}
}

// host finds a mail host by the name of its behaviour.
func (r *Remote) host(name string) (*mailHost, error) {
	for _, h := range r.hosts {
		if h.Name == name {
			return h, nil
		}
	}
	return nil, fmt.Errorf("no mail host %q", name)
}

// Change gives mail hosts another manner, for the sessions that begin from
// now on.
func (r *Remote) Change(m Manner, names ...string) error {
	for _, name := range names {
		h, err := r.host(name)
		if err != nil {
			return err
		}
		h.Set(m)
	}
	return nil
}

// Refuse closes the port of a mail host: connections are refused.
func (r *Remote) Refuse(name string) error {
	h, err := r.host(name)
	if err == nil {
		h.close()
	}
	return err
}

// Reopen opens the port that Refuse closed.
func (r *Remote) Reopen(name string) error {
	h, err := r.host(name)
	if err != nil {
		return err
	}
	return r.box.Outside(h.open)
}

// Silence drops every packet to an address of the outside, or to its
// resolver with SilenceDNS, so that who connects waits in vain.
func (r *Remote) Silence(address string) error {
	return r.filter("add rule ip world drill ip daddr " + address + " tcp dport 25 drop")
}

// SilenceDNS makes the resolver answer nothing.
func (r *Remote) SilenceDNS() error {
	return r.filter("add rule ip world drill udp dport 53 drop\nadd rule ip world drill tcp dport 53 drop")
}

// Unsilence lets everything pass that Silence and SilenceDNS stopped.
func (r *Remote) Unsilence() error { return r.filter("") }

func (r *Remote) filter(rules string) error {
	return r.box.Outside(func() error {
		return runInput("add table ip world\nadd chain ip world drill { type filter hook input priority 1; }\nflush chain ip world drill\n"+rules+"\n", "nft", "-f", "-")
	})
}

// StopDNS ends the resolver: its port is closed.
func (r *Remote) StopDNS() { r.dns.stop() }

// StartDNS starts it again.
func (r *Remote) StartDNS() error { return r.box.Outside(r.startDNS) }
