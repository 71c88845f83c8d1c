package pipeline

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/meter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// facts answers a diagnosis from the belt. It is asked within a step, under
// the belt's lock. Of past time it tells what the log told, nothing that is measured now.
type facts struct{ b *Belt }

var _ diagnose.Facts = facts{}

// Failures gives the attempts that failed since a moment.
func (f facts) Failures(instance string, since time.Time) []diagnose.Failure {
	j := &f.b.judgement
	k := askedKey{instance, j.at.Sub(since)}
	if a, ok := j.failures[k]; ok && a.at.Equal(j.at) {
		return slices.Clone(a.list)
	}
	var list []diagnose.Failure
	rows := f.b.meter.Failures(instance, since, f.b.judgement.at)
	for i := range rows {
		r := &rows[i]
		list = append(list, diagnose.Failure{Destination: r.Destination, Cause: r.Cause, Count: r.Deferred + r.Bounced, Sent: r.Sent,
			First: r.First, Last: r.Last, Reply: r.Reply, Relay: r.Relay, QueueID: r.QueueID})
	}
	slices.SortStableFunc(list, func(a, b diagnose.Failure) int { return cmp.Compare(b.Count, a.Count) })
	if len(j.failures) >= maxAsked {
		clear(j.failures)
	}
	j.failures[k] = failureAnswer{j.at, list}
	return slices.Clone(list)
}

// Senders gives who had mail accepted since a moment.
func (f facts) Senders(instance string, since time.Time) []diagnose.Sender {
	j := &f.b.judgement
	k := askedKey{instance, j.at.Sub(since)}
	if a, ok := j.senders[k]; ok && j.at.Sub(a.at) < senderStands && !j.at.Before(a.at) {
		return slices.Clone(a.list)
	}
	kinds := [...]string{meter.SenderAccount: "account", meter.SenderClient: "client", meter.SenderAddress: "sender"}
	var list []diagnose.Sender
	for _, s := range f.b.meter.Senders(instance, since, maxSenders) {
		list = append(list, diagnose.Sender{Kind: kinds[s.Kind], Name: s.Name, Messages: s.Messages, Recipients: s.Recipients, Failed: s.Failed, Usual: s.Usual})
	}
	if len(j.senders) >= maxAsked {
		clear(j.senders)
	}
	j.senders[k] = senderAnswer{j.at, list}
	return slices.Clone(list)
}

// The senders are looked through anew only now and then: there are many, and
// a rule asks at every step.
const (
	senderStands = 55 * time.Second
	maxSenders   = 100
	maxAsked     = 32 // answers that are kept
)

// askedKey is a question about an instance and a window.
type askedKey struct {
	instance string
	window   time.Duration
}

type senderAnswer struct {
	at   time.Time
	list []diagnose.Sender
}

type failureAnswer struct {
	at   time.Time
	list []diagnose.Failure
}

// Warnings gives what the MTA complained of since a moment.
func (f facts) Warnings(instance string, since time.Time) []diagnose.Warning {
	all := f.b.warnings[instance]
	i := len(all)
	for i > 0 && !all[i-1].Time.Before(since) {
		i--
	}
	return slices.Clone(all[i:])
}

// Processes gives the instance's processes.
func (f facts) Processes(instance string) []mta.RoleProcess {
	v := f.b.procs[instance]
	if f.b.judgement.past || v == nil || !v.known {
		return nil
	}
	return slices.Clone(v.list)
}

// Exit tells how and when the last process of a role ended.
func (f facts) Exit(instance string, role mta.Role) diagnose.Exit {
	e, ok := f.b.judgement.exits[exitKey{instance, role}]
	if !ok || f.b.judgement.past {
		return diagnose.Exit{}
	}
	x := diagnose.Exit{PID: e.pid, Time: e.time}
	for _, w := range f.Warnings(instance, e.time.Add(-5*time.Second)) {
		if tellsEnd(w.Text, e.pid) {
			x.Text = w.Text
		}
	}
	return x
}

// tellsEnd reports whether a complaint names a process by its pid and says how it ended.
func tellsEnd(text string, pid int) bool {
	number := strconv.Itoa(pid)
	for rest := text; ; {
		i := strings.Index(rest, number)
		if i < 0 {
			return false
		}
		after := rest[i+len(number):]
		if (i == 0 || !digit(rest[i-1])) && (after == "" || !digit(after[0])) {
			break
		}
		rest = after
	}
	for _, words := range [...]string{"killed by signal", "exit status", "exited", "terminated", "died", "abnormal"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// Queued gives the queue by destination, from the last listing.
func (f facts) Queued(instance string) []diagnose.Queued {
	t := f.b.shapes[instance]
	if f.b.judgement.past || t == nil || f.b.judgement.at.After(t.Until) {
		return nil
	}
	rows, _ := ShapeView(&t.Table, nil, 50)
	var list []diagnose.Queued
	for i := range rows {
		r := &rows[i]
		q := diagnose.Queued{Destination: r.Destination, Recipients: r.Recipients, Oldest: r.Oldest, Reason: r.Reason}
		for j, n := range r.Ages {
			if j < len(ageLabels) && youngAges[ageLabels[j]] {
				q.Young += n
			}
		}
		list = append(list, q)
	}
	return list
}

// youngAges are the columns of a listing that hold what waits for less than about an hour.
var youngAges = map[string]bool{"5m": true, "10m": true, "20m": true, "40m": true}

// MTA names the software and its version.
func (f facts) MTA(instance string) (name, version string) {
	for i := range f.b.instances {
		if in := &f.b.instances[i]; in.Name == instance {
			return in.MTA, in.Version
		}
	}
	if len(f.b.instances) > 0 {
		return "", ""
	}
	for _, s := range f.b.sources { // of an old log, of which only its writer is known
		if name != "" && s.mta != name {
			return "", ""
		}
		name = s.mta
	}
	return name, ""
}

// Probe gives the last outcome of a probe.
func (f facts) Probe(name string) (mta.Probe, bool) {
	p, ok := f.b.judgement.probes[name]
	return p, ok && !f.b.judgement.past
}

// Reach gives the reachability of a destination, and asks for it.
func (f facts) Reach(destination string) (mta.Probe, bool) {
	j := &f.b.judgement
	if j.past {
		return mta.Probe{}, false
	}
	if len(j.wanted) < maxReach {
		j.wanted[strings.Clone(destination)] = j.at
	}
	p, ok := j.reach[destination]
	return p, ok
}

// Blind lists what mtawatch cannot see.
func (f facts) Blind() []mta.BlindSpot {
	if f.b.judgement.past {
		return nil
	}
	return f.b.blindSpots(f.b.judgement.at)
}

// Conditions gives what the MTA's own files told of its state last.
func (f facts) Conditions(instance string) []mta.Condition {
	s, ok := f.b.states[instance]
	if f.b.judgement.past || !ok || f.b.judgement.at.Sub(s.at) > conditionsStand {
		return nil
	}
	return slices.Clone(s.list)
}

// Looked reports whether the instance's own files were read lately, all of them.
func (f facts) Looked(instance string) bool {
	s, ok := f.b.states[instance]
	return !f.b.judgement.past && ok && s.failed == "" && f.b.judgement.at.Sub(s.at) <= conditionsStand
}

// Limit gives a configured limit of the MTA.
func (f facts) Limit(instance, name string) (float64, bool) {
	for i := range f.b.instances {
		in := &f.b.instances[i]
		if in.Name != instance {
			continue
		}
		n := 0
		switch name {
		case "process_limit":
			for _, l := range in.Listen {
				n = max(n, l.MaxProc)
			}
			n = cmp.Or(n, in.MaxProc)
		case "queue_lifetime":
			n = int(in.QueueLifetime / time.Second)
		case "server_lifetime":
			n = int(in.ServerLifetime / time.Second)
		}
		return float64(n), n > 0
	}
	return 0, false
}

// keptWarnings bounds the complaints that are kept of one instance.
const keptWarnings = 200

// warn keeps what an MTA complained of, and what its log tells of its daemons.
func (b *Belt) warn(e *mta.Event) {
	w := diagnose.Warning{Time: e.Time, Program: strings.Clone(e.Program), Severity: e.Severity, Text: strings.Clone(e.Text[:min(len(e.Text), 500)])}
	if e.Kind == mta.KindDaemon {
		switch e.Action {
		case mta.ActionKilled, mta.ActionThrottled, mta.ActionLimit:
			w.Severity = max(w.Severity, mta.SeverityWarning)
		default:
			w.Severity = max(w.Severity, mta.SeverityInfo) // started, stopped, reloaded: asked for
		}
	}
	list := b.warnings[e.Instance]
	if len(list) >= keptWarnings {
		list = append(list[:0], list[keptWarnings/4:]...)
	}
	at := len(list) // several logs tell of one instance: the newest stays last
	for at > 0 && list[at-1].Time.After(w.Time) {
		at--
	}
	b.warnings[strings.Clone(e.Instance)] = slices.Insert(list, at, w)
}

func sortSources(list []mta.SourceCount) {
	slices.SortFunc(list, func(a, b mta.SourceCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.Address.Compare(b.Address), cmp.Compare(a.Port, b.Port))
	})
}
