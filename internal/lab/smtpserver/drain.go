package smtpserver

import (
	"context"
	"sync"
	"time"
)

// sessions are those that are open.
type sessions struct {
	mu    sync.Mutex
	open  map[*client]bool
	haste bool // each is to end at its next command
}

func (s *sessions) add(k *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*client]bool{}
	}
	s.open[k] = true
	if s.haste {
		k.hasten()
	}
}

func (s *sessions) remove(k *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, k)
}

// hasten ends the sessions; one in which a message comes in, after that.
func (s *sessions) hasten() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.haste = true
	for k := range s.open {
		k.hasten()
	}
}

// cut ends the sessions as they are.
func (s *sessions) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.open {
		_ = k.Conn.Close() // its session sees that, and writes the record
	}
}

// drain waits for the sessions that there are when no more clients come. How
// long the original waits is not documented; here the end of a process is in
// sight whatever its clients do. They may go on for the time that a silent one
// is waited for. Then, or as soon as ctx ends, each is told 421 (RFC 5321, 3.8)
// before its next command; a message that is coming in is still taken. Who has not come to an end after the time for a message is cut
// off, and has not been told 250.
func (v *Server) drain(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		v.clients.Wait()
		close(ended)
	}()
	soon := ctx.Done()
	for _, step := range []struct {
		patience time.Duration
		then     func()
	}{{v.site.Practice.CommandTimeout, v.live.hasten}, {v.site.Practice.DataTimeout, v.live.cut}} {
		t := time.NewTimer(step.patience)
		select {
		case <-ended:
			t.Stop()
			return
		case <-soon:
			t.Stop()
			soon = nil // it shortens the first
		case <-t.C:
			soon = nil
		}
		step.then()
	}
	<-ended
}
