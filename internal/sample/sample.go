// Package sample asks a mail server for its queue and the machine for its
// sockets and processes: one reading each time it is called, with a deadline,
// so that a part that hangs cannot hold up the rest. A reading that fails
// gives its reason in Unknown and no figures.
package sample

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/qshape"
)

// Deadlines of one reading.
const (
	countTimeout   = 10 * time.Second
	listTimeout    = 5 * time.Minute
	processTimeout = 10 * time.Second
)

// ErrTooDear says that a queue can be read only by listing it message by
// message, which is not done at every tick.
var ErrTooDear = errors.New("the queue can only be listed, not counted")

// Count gives the messages in each queue the cheap way. Where that is not
// permitted or not possible, the error matches ErrTooDear and the listing is
// the only source.
func Count(ctx context.Context, h adapter.Host, a *adapter.Adapter, in mta.Instance, now time.Time) (mta.Queue, error) {
	if a.Count == nil {
		return mta.Queue{}, fmt.Errorf("count queue of %s: %w", in.Name, ErrTooDear)
	}
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	q, err := a.Count(ctx, h, in)
	if errors.Is(err, fs.ErrPermission) && a.List != nil {
		return mta.Queue{}, fmt.Errorf("count queue of %s: %w: %w", in.Name, ErrTooDear, err)
	}
	if err != nil {
		return mta.Queue{}, fmt.Errorf("count queue of %s: %w", in.Name, err)
	}
	q.Time, q.Instance = now, in.Name
	return q, nil
}

// maxDestinations bounds the destinations of the table of one listing.
const maxDestinations = 500

// List reads the whole listing into a table by destination and age, and
// counts it by queue. Each message goes through see first, in order: who
// knows more of it than the listing fills that in, who wants it takes it.
func List(ctx context.Context, h adapter.Host, a *adapter.Adapter, in mta.Instance, now time.Time, see ...func(*mta.QueuedMessage)) (qshape.Table, mta.Queue, error) {
	if a.List == nil {
		return qshape.Table{}, mta.Queue{}, fmt.Errorf("list queue of %s: %s gives no listing", in.Name, a.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	shape := qshape.New(maxDestinations)
	counts := NewCounter(listed(in))
	for m, err := range a.List(ctx, h, in) {
		if err != nil {
			return qshape.Table{}, mta.Queue{}, fmt.Errorf("list queue of %s: %w", in.Name, err)
		}
		for _, f := range see {
			f(&m)
		}
		shape.Add(m)
		counts.Add(m)
	}
	return shape.Table(now), counts.Queue(in.Name, now), nil
}

// listed names the queues of which a listing without a message says that they
// are empty.
func listed(in mta.Instance) []string {
	if len(in.ListedQueues) > 0 {
		return in.ListedQueues
	}
	return in.Queues
}

// Counter counts a listing by queue.
type Counter struct {
	queues []mta.QueueCount
}

// NewCounter makes a Counter in which the named queues are present with 0.
func NewCounter(names []string) *Counter {
	c := new(Counter)
	for _, n := range names {
		c.queues = append(c.queues, mta.QueueCount{Name: n})
	}
	return c
}

// Add counts one message, or as many as an entry stands for.
func (c *Counter) Add(m mta.QueuedMessage) {
	q := c.of(m.Queue)
	q.Messages += max(1, m.Count)
	if m.Size < 0 || q.Bytes < 0 {
		q.Bytes = mta.UnknownBytes
	} else {
		q.Bytes += m.Size
	}
	if !m.Arrived.IsZero() && (q.Oldest.IsZero() || m.Arrived.Before(q.Oldest)) {
		q.Oldest = m.Arrived
	}
}

func (c *Counter) of(name string) *mta.QueueCount {
	for i := range c.queues {
		if c.queues[i].Name == name {
			return &c.queues[i]
		}
	}
	c.queues = append(c.queues, mta.QueueCount{Name: name})
	return &c.queues[len(c.queues)-1]
}

// Queue gives the counts.
func (c *Counter) Queue(instance string, now time.Time) mta.Queue {
	return mta.Queue{Time: now, Instance: instance, Queues: c.queues}
}

// maxAncestors ends the way up from a process in a list that was read while
// process ids were given out anew.
const maxAncestors = 64

// Processes reads the machine's processes and gives each instance its own,
// with their roles, and marks those that their dispatcher left behind. An
// instance of which that cannot be told is missing: its processes are
// unknown. It cannot when two instances would have the same dispatcher.
func Processes(ctx context.Context, h adapter.Host, adapters []adapter.Adapter, instances []mta.Instance) (map[string][]mta.RoleProcess, error) {
	ctx, cancel := context.WithTimeout(ctx, processTimeout)
	defer cancel()
	all, err := h.Processes(ctx)
	if err != nil {
		return nil, fmt.Errorf("read processes: %w", err)
	}
	byInstance := make(map[string][]mta.RoleProcess)
	above := make(map[int]int, len(all)) // parent of each process
	for i := range all {
		above[all[i].PID] = all[i].PPID
	}
	for _, in := range instances {
		a := adapterOf(adapters, in.MTA)
		if a == nil || a.Roles == nil {
			continue
		}
		roles := a.Roles(in, all)
		if roles == nil {
			continue
		}
		byInstance[in.Name] = []mta.RoleProcess{}
		for i, role := range roles {
			if role != mta.RoleNone {
				byInstance[in.Name] = append(byInstance[in.Name], mta.RoleProcess{Process: all[i], Role: role, Instance: in.Name})
			}
		}
		markOrphans(byInstance[in.Name], above, a.Heads)
	}
	dropShared(byInstance)
	return byInstance, nil
}

// dropShared drops the instances that have a dispatcher in common: whose it is cannot be told.
func dropShared(byInstance map[string][]mta.RoleProcess) {
	of := make(map[int][]string) // instances by their dispatchers' pids
	for name, list := range byInstance {
		for i := range list {
			if list[i].Role == mta.RoleDispatcher {
				of[list[i].PID] = append(of[list[i].PID], name)
			}
		}
	}
	for _, names := range of {
		for _, name := range names {
			if len(names) > 1 {
				delete(byInstance, name)
			}
		}
	}
}

// markOrphans marks the processes of one instance that descend from none of
// its heads (nil: its dispatchers): they outlived theirs, and may still hold
// its ports.
func markOrphans(list []mta.RoleProcess, above map[int]int, heads []mta.Role) {
	others := heads == nil
	if heads == nil {
		heads = []mta.Role{mta.RoleDispatcher}
	}
	atHead := make(map[int]bool)
	for i := range list {
		if slices.Contains(heads, list[i].Role) {
			atHead[list[i].PID] = true
		}
	}
	for i := range list {
		p := &list[i]
		if slices.Contains(heads, p.Role) || p.Role == mta.RoleOther && !others {
			continue
		}
		p.Orphan = true
		pid := p.PPID
		for range maxAncestors {
			if atHead[pid] {
				p.Orphan = false
				break
			}
			next, known := above[pid]
			if !known || next == pid {
				break
			}
			pid = next
		}
	}
}

func adapterOf(list []adapter.Adapter, name string) *adapter.Adapter {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

// Detect asks every adapter for its instances. What fails is told and the
// rest goes on.
func Detect(ctx context.Context, h adapter.Host, adapters []adapter.Adapter) ([]mta.Instance, error) {
	var list []mta.Instance
	var failed []error
	for i := range adapters {
		found, err := adapters[i].Detect(ctx, h)
		if err != nil {
			failed = append(failed, fmt.Errorf("detect %s: %w", adapters[i].Name, err))
		}
		list = append(list, found...)
	}
	return worthWatching(list), errors.Join(failed...)
}

// worthWatching leaves out instances that were configured and never started,
// as a package leaves them behind, unless there is nothing else.
func worthWatching(list []mta.Instance) []mta.Instance {
	var used []mta.Instance
	for _, in := range list {
		if !in.NeverRan {
			used = append(used, in)
		}
	}
	if len(used) == 0 {
		return list
	}
	return used
}

// Ports gives the ports on which the instances accept SMTP, each once.
func Ports(instances []mta.Instance, more []uint16) []uint16 {
	var ports []uint16
	seen := make(map[uint16]bool)
	add := func(p uint16) {
		if p != 0 && !seen[p] {
			seen[p] = true
			ports = append(ports, p)
		}
	}
	for _, in := range instances {
		for _, l := range in.Listen {
			add(l.Port)
		}
	}
	for _, p := range more {
		add(p)
	}
	return ports
}
