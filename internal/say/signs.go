package say

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// Queue is the first sign in lines; none where nothing is known of it.
func Queue(now time.Time, q view.QueueStatus) []string {
	var lines []string
	if q.Messages != nil {
		l := Plural(*q.Messages, "message")
		if q.Bytes != nil && *q.Messages > 0 {
			l += ", " + Bytes(*q.Bytes)
		}
		counts := make(map[string]int64)
		for _, c := range q.Queues {
			counts[c.Name] += c.Messages
		}
		if text := Top(counts, 6); text != "" {
			l += ": " + text
		}
		if oldest, name := Oldest(q.Queues); !oldest.IsZero() {
			l += fmt.Sprintf("; oldest %s, in %s", Age(now, oldest), Clean(name))
		}
		if n, oldest, name := untriedOf(q.Queues); n > 0 {
			l += fmt.Sprintf("; %d never tried", n)
			if !oldest.IsZero() {
				l += fmt.Sprintf(", the oldest for %s, in %s", Age(now, oldest), Clean(name))
			}
		}
		lines = append(lines, l)
		if q.Normal != nil {
			lines = append(lines, "normal for "+Hour(now, q.Normal)+": "+Counts(*q.Normal)+" messages, those on hold apart")
		}
	} else if q.Unknown == "" {
		lines = append(lines, "not counted yet")
	}
	if f := q.FromLog; f != nil && (f.Messages > 0 || !f.Since.IsZero()) { // else the log has told nothing
		l := "by the log: " + Plural(f.Messages, "message")
		if !f.Oldest.IsZero() {
			l += ", oldest " + Age(now, f.Oldest)
		}
		if !f.Since.IsZero() {
			l += ", known since " + Clock(now, f.Since)
		}
		lines = append(lines, l)
	}
	return lines
}

// untriedOf adds up the messages that no delivery was tried for.
func untriedOf(list []mta.QueueCount) (n int64, oldest time.Time, queue string) {
	for _, q := range list {
		if u := q.Untried; u != nil {
			n += u.Messages
			if !u.Oldest.IsZero() && (oldest.IsZero() || u.Oldest.Before(oldest)) {
				oldest, queue = u.Oldest, q.Name
			}
		}
	}
	return n, oldest, queue
}

// Failures is the second sign in lines: the attempts of the window, why they failed, what is normal.
func Failures(now time.Time, in view.InstanceStatus) []string {
	f := in.Failures
	if f.Attempts == nil || f.Unknown != "" && nothing(f) {
		return nil
	}
	parts := []string{fmt.Sprintf("%d sent", f.Attempts[mta.StatusSent.String()])}
	for _, s := range []mta.Status{mta.StatusDeferred, mta.StatusBounced, mta.StatusExpired} {
		if n := f.Attempts[s.String()]; n > 0 || s != mta.StatusExpired {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	l := Cover(now, f.Since, f.Window) + ": "
	if f.Received != nil {
		l += fmt.Sprintf("%d received, ", *f.Received)
	}
	l += strings.Join(parts, ", ")
	if f.Rejects != nil {
		l += "; " + Plural(*f.Rejects, "client request") + " rejected"
	}
	lines := []string{l}
	if text := Top(f.Causes, 5); text != "" {
		lines = append(lines, "why: "+text)
	}
	if text := NormalFailures(f.Normal); text != "" {
		lines = append(lines, "normal a minute: "+text)
	}
	return lines
}

// nothing reports figures that are all zero: beside an unknown they measure
// nothing.
func nothing(f view.FailureStatus) bool {
	return Zero(f.Attempts) && (f.Rejects == nil || *f.Rejects == 0) && (f.Received == nil || *f.Received == 0)
}

// Connections is the third sign, a line for each port.
func Connections(c view.ConnectionStatus) []string {
	var lines []string
	for _, p := range c.Ports {
		lines = append(lines, Port(p))
	}
	if len(lines) == 0 && c.Unknown == "" {
		lines = append(lines, "no port to watch")
	}
	return lines
}

// Port is one port in words.
func Port(p view.PortRow) string {
	name := fmt.Sprintf("port %d", p.Port)
	if p.Service != "" {
		name += " " + Clean(p.Service)
	}
	if !p.Listening {
		name += ", nobody listens"
	}
	l := name + ": " + Plural(int64(LiveSockets(p)), "connection")
	var states []string // always in the same order
	for st := mta.TCPEstablished; st <= mta.TCPClosing; st++ {
		if n := p.States[st.String()]; n > 0 && st != mta.TCPListen {
			states = append(states, fmt.Sprintf("%s %d", st, n))
		}
	}
	if len(states) > 0 {
		l += " (" + strings.Join(states, ", ") + ")"
	}
	if p.Sources > 0 {
		l += " from " + Plural(int64(p.Sources), "address")
	}
	if p.Capacity > 0 {
		l += fmt.Sprintf(", %d %% of the %d sessions that there may be", 100*LiveSockets(p)/p.Capacity, p.Capacity)
	}
	if p.Normal != nil {
		l += ", normal is " + Counts(*p.Normal)
	}
	if p.AcceptQueue != nil && p.AcceptLimit != nil {
		l += fmt.Sprintf("; %d of %d wait to be accepted", *p.AcceptQueue, *p.AcceptLimit)
	}
	return l
}

// LiveSockets counts sockets that are neither listening nor long over.
func LiveSockets(p view.PortRow) int {
	n := 0
	for state, count := range p.States {
		if state != mta.TCPListen.String() && state != mta.TCPTimeWait.String() && state != mta.TCPClose.String() {
			n += count
		}
	}
	return n
}

// Processes is the fourth sign: how many of each role, and what is left over.
func Processes(p view.ProcessStatus) []string {
	if p.Roles == nil {
		return nil
	}
	var parts []string
	for r := mta.RoleDispatcher; r < mta.NumRoles; r++ {
		if n := p.Roles[r.String()]; n > 0 || r == mta.RoleDispatcher || r == mta.RoleJobController {
			part := fmt.Sprintf("%s %d", r, n)
			if slices.Contains(p.Stopped, r.String()) {
				part += " (stopped)"
			}
			parts = append(parts, part)
		}
	}
	lines := []string{strings.Join(parts, ", ")}
	if p.Orphans > 0 {
		lines = append(lines, LeftOver(p.Orphans))
	}
	return lines
}

// Summary is the four signs of all instances in one line.
func Summary(s *view.Status) string {
	var queued, sent, failed, procs int64
	open := 0
	names := make([]string, 0, len(s.Instances))
	for _, in := range s.Instances {
		names = append(names, Clean(in.Name))
		if in.Queue.Messages != nil {
			queued += *in.Queue.Messages
		}
		for status, n := range in.Failures.Attempts {
			if status == mta.StatusSent.String() {
				sent += n
			} else {
				failed += n
			}
		}
		for _, p := range in.Connections.Ports {
			open += LiveSockets(p)
		}
		for _, n := range in.Processes.Roles {
			procs += int64(n)
		}
	}
	return fmt.Sprintf("%s: %s queued, %d sent and %s, %s, %s", strings.Join(names, ", "), Count(queued), sent,
		Plural(failed, "failed attempt"), Plural(int64(open), "connection"), Plural(procs, "process"))
}

// Oldest gives the oldest message of the queues and where it is; zero when none is known.
func Oldest(list []mta.QueueCount) (oldest time.Time, queue string) {
	for _, q := range list {
		if !q.Oldest.IsZero() && (oldest.IsZero() || q.Oldest.Before(oldest)) {
			oldest, queue = q.Oldest, q.Name
		}
	}
	return oldest, queue
}

// Zero reports counts that are all 0.
func Zero(counts map[string]int64) bool {
	for _, n := range counts {
		if n != 0 {
			return false
		}
	}
	return true
}

// Cover says which time figures cover. They are counted in steps, so
// they may begin before the window that was asked for.
func Cover(now, since time.Time, window time.Duration) string {
	covered := now.Sub(since)
	switch {
	case since.IsZero(), covered < window+time.Second && covered > window-time.Second:
		return "last " + Span(window)
	case covered < window:
		return fmt.Sprintf("last %s (nothing older is known)", Span(covered))
	}
	return fmt.Sprintf("since %s (counted in steps of %s)", Clock(now, since), Plural(int64(view.FailureStep/time.Minute), "minute"))
}

// LeftOver names processes of an earlier start.
func LeftOver(n int) string { return fmt.Sprintf("%d left over from an earlier start", n) }
