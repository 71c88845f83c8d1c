package app

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/sample"
	"github.com/mtawatch/mtawatch/internal/view"
)

const (
	ownEvery      = 10 * time.Second // how often a server's tools are run because somebody asks
	ownCheckEvery = time.Minute      // how often to compare with them, or to stand in for /proc
	maxOwnAnswers = 256              // kept: instances times questions
)

// ownTools runs the servers' own tools for one asker at a time, and gives the
// next ones the same answer while it is fresh. The zero value is ready.
type ownTools struct {
	mu   sync.Mutex
	turn chan struct{}
	last map[ownKey]ownAnswer
}

type ownKey struct {
	instance string
	q        mta.OwnQuestion
}

type ownAnswer struct {
	at time.Time
	v  mta.OwnView
}

// ask gives an answer that is younger than maxAge, with the moment of it. An
// asker who leaves meanwhile gets an error, and leaves no answer behind.
func (o *ownTools) ask(ctx context.Context, h adapter.Host, a *adapter.Adapter, in mta.Instance, q mta.OwnQuestion, maxAge time.Duration) (ownAnswer, error) {
	o.mu.Lock()
	if o.turn == nil {
		o.turn, o.last = make(chan struct{}, 1), make(map[ownKey]ownAnswer)
	}
	o.mu.Unlock()
	select {
	case o.turn <- struct{}{}:
	case <-ctx.Done():
		return ownAnswer{}, ctx.Err()
	}
	defer func() { <-o.turn }()
	key, now := ownKey{in.Name, q}, time.Now()
	if had, ok := o.last[key]; ok && now.Sub(had.at) >= 0 && now.Sub(had.at) < maxAge {
		return had, nil
	}
	got := ownAnswer{at: now, v: a.Own(ctx, h, in, q)}
	if err := ctx.Err(); err != nil {
		return ownAnswer{}, err
	}
	if len(o.last) >= maxOwnAnswers {
		clear(o.last)
	}
	o.last[key] = got
	return got, nil
}

// Own asks the mail servers' own tools, and puts the exact counts beside
// their counters.
func (s *Source) Own(ctx context.Context, q view.OwnQuery) (view.Own, error) {
	if err := s.known(q.Instance); err != nil {
		return view.Own{}, err
	}
	out := view.Own{Time: time.Now(), Instances: []view.OwnInstance{}}
	var unknown []string
	for _, in := range s.belt.Instances() {
		if q.Instance != "" && q.Instance != in.Name {
			continue
		}
		a := s.adapter(in.MTA)
		if a == nil || a.Own == nil {
			unknown = append(unknown, in.Name+": "+in.MTA+" has no tools that count by themselves")
			continue
		}
		if q.Channel != "" && len(in.Queues) > 0 && !slices.Contains(in.Queues, q.Channel) {
			return view.Own{}, fmt.Errorf("%w: no channel %q; the channels here are %s", view.ErrQuestion, q.Channel, strings.Join(in.Queues, ", "))
		}
		got, err := s.own.ask(ctx, s.machine, a, in, q.OwnQuestion, ownEvery)
		if err != nil {
			return view.Own{}, fmt.Errorf("ask the tools of %s: %w", in.Name, err)
		}
		o := view.OwnInstance{Instance: in.Name, At: got.at, OwnView: got.v}
		for _, why := range []string{o.CountersUnknown, o.WaitingUnknown, o.ProcessesUnknown} {
			if why != "" {
				unknown = append(unknown, in.Name+": "+why)
			}
		}
		if q.Counters {
			if err := s.exact(ctx, &o); err != nil {
				return view.Own{}, err
			}
		}
		out.Instances = append(out.Instances, o)
	}
	if out.Unknown = strings.Join(unknown, "; "); out.Unknown == "" {
		out.Unknown = s.nothing()
	}
	return out, nil
}

// exact puts what the log and the queue tell of each channel beside the
// server's own counters.
func (s *Source) exact(ctx context.Context, o *view.OwnInstance) error {
	queue, err := s.Queue(ctx, view.QueueQuery{Instance: o.Instance, Counters: true, Fresh: true})
	if err != nil {
		return err
	}
	for i := range queue.Detail {
		d := &queue.Detail[i]
		o.ExactSince, o.ExactUnknown = d.ChannelsSince, d.ChannelsUnknown
		if len(o.Counters) > 0 {
			o.Channels = view.CompareOwn(o.Counters, d.Channels)
		}
	}
	o.Counters = nil // they stand in Channels
	return nil
}

// ownProcesses gives what a server's tools say of its processes, at most a
// minute old.
func (s *Source) ownProcesses(ctx context.Context) func(*adapter.Adapter, mta.Instance) mta.OwnView {
	return func(a *adapter.Adapter, in mta.Instance) mta.OwnView {
		got, err := s.own.ask(ctx, s.machine, a, in, mta.OwnQuestion{Processes: true}, ownCheckEvery)
		if err != nil {
			return mta.OwnView{ProcessesUnknown: err.Error()}
		}
		return got.v
	}
}

// processesByTool adds to an answer the instances of which /proc does not
// tell the processes, as their own tools name them.
func (s *Source) processesByTool(ctx context.Context, q view.ProcessQuery, out *view.Processes) {
	if out.Unknown == "" {
		return
	}
	var missing []mta.Instance
	var unknown []string
	for _, in := range s.belt.Instances() {
		known := slices.ContainsFunc(out.Roles, func(r view.RoleRow) bool { return r.Instance == in.Name })
		switch a := s.adapter(in.MTA); {
		case known || q.Instance != "" && q.Instance != in.Name:
		case a != nil && a.Own != nil:
			missing = append(missing, in)
		default:
			unknown = append(unknown, s.belt.Processes(view.ProcessQuery{Instance: in.Name}, time.Now()).Unknown)
		}
	}
	if len(missing) == 0 {
		return
	}
	now := time.Now()
	byInstance, err := sample.ProcessesOrOwn(ctx, s.machine, s.adapters, missing, s.ownProcesses(ctx))
	if err != nil {
		out.Unknown = strings.Join(append(unknown, err.Error()), "; ")
		return
	}
	for _, in := range missing {
		list, known := byInstance[in.Name]
		if !known {
			unknown = append(unknown, in.Name+": which processes are its own cannot be told; see `mtawatch doctor`")
			continue
		}
		out.Time = now
		out.Processes = append(out.Processes, list...)
		for role := mta.RoleDispatcher; role < mta.NumRoles; role++ {
			row := view.RoleRow{Instance: in.Name, Role: role}
			for _, p := range list {
				if p.Role == role {
					row.Count++
				}
			}
			out.Roles = append(out.Roles, row)
		}
	}
	out.Unknown = strings.Join(unknown, "; ")
}

// compareProcesses says whether a server's own tool names the daemons that
// /proc shows.
func (d *doctor) compareProcesses(ctx context.Context, in mta.Instance) {
	a := d.s.adapter(in.MTA)
	if a == nil || a.Own == nil || d.procErr != nil {
		return
	}
	name := in.Name + " own processes"
	v := d.s.ownProcesses(ctx)(a, in)
	if v.ProcessesUnknown != "" {
		advice := "run mtawatch as root or as the mail server's own user, where its tools are to be asked; all else works without"
		if d.root {
			advice = "see what the tool says when you run it; all else works without"
		}
		d.bad(name, v.ProcessesUnknown, advice)
		return
	}
	list := d.procs[in.Name]
	if len(list) > 0 && list[0].ToldBy != "" {
		d.ok(name, fmt.Sprintf("%s shows %s; /proc does not tell the roles, so they are taken from it", v.ProcessesBy, ownText(v.Processes)))
		return
	}
	var differ []string
	for _, role := range []mta.Role{mta.RoleDispatcher, mta.RoleJobController} {
		theirs, ours := ownPIDs(v.Processes, role), rolePIDs(list, role)
		if !slices.Equal(theirs, ours) {
			differ = append(differ, fmt.Sprintf("/proc shows %s %s", role, pidText(ours)))
		}
	}
	text := fmt.Sprintf("%s shows %s", v.ProcessesBy, ownText(v.Processes))
	if len(differ) > 0 {
		d.bad(name, text+"; "+strings.Join(differ, ", ")+": they differ", "ask again in a minute: a daemon that starts or ends shows so for a moment; if it stays, see which of them hold the ports, `mtawatch processes`")
		return
	}
	d.ok(name, text+": agrees with /proc")
}

// ownText names the daemons: "dispatcher 123, job-controller 124".
func ownText(list []mta.OwnProcess) string {
	return fmt.Sprintf("dispatcher %s, job_controller %s", pidText(ownPIDs(list, mta.RoleDispatcher)), pidText(ownPIDs(list, mta.RoleJobController)))
}

func ownPIDs(list []mta.OwnProcess, role mta.Role) []int {
	return pidsOf(list, role, func(p *mta.OwnProcess) (mta.Role, int) { return p.Role, p.PID })
}

func rolePIDs(list []mta.RoleProcess, role mta.Role) []int {
	return pidsOf(list, role, func(p *mta.RoleProcess) (mta.Role, int) { return p.Role, p.PID })
}

// pidsOf gives the processes with a role, in order.
func pidsOf[P any](list []P, role mta.Role, of func(*P) (mta.Role, int)) (pids []int) {
	for i := range list {
		if r, pid := of(&list[i]); r == role {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

func pidText(pids []int) string {
	if len(pids) == 0 {
		return "none"
	}
	texts := make([]string, len(pids))
	for i, p := range pids {
		texts[i] = strconv.Itoa(p)
	}
	return strings.Join(texts, " and ")
}
