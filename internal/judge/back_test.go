package judge

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/alert"
	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// channels is what a live host with a queue for each channel knows beside the series.
type channels struct {
	diagnose.NoFacts
	procs  []mta.RoleProcess
	exit   diagnose.Exit // of the job controller
	states []mta.Condition
	blind  bool // the server's own files were not read
}

func (f *channels) Processes(string) []mta.RoleProcess { return slices.Clone(f.procs) }
func (f *channels) MTA(string) (string, string)        { return "imta", "8.0" }
func (f *channels) Conditions(string) []mta.Condition  { return f.states }
func (f *channels) Looked(string) bool                 { return !f.blind }
func (f *channels) Exit(_ string, r mta.Role) diagnose.Exit {
	if r == mta.RoleJobController {
		return f.exit
	}
	return diagnose.Exit{}
}

func (f *channels) run(pid int, role mta.Role, start time.Time) {
	f.procs = append(f.procs, mta.RoleProcess{Process: mta.Process{PID: pid, State: "S", Start: start}, Role: role, Instance: "imta"})
}

// end takes the process of a role away.
func (f *channels) end(role mta.Role, at time.Time) {
	i := slices.IndexFunc(f.procs, func(p mta.RoleProcess) bool { return p.Role == role })
	if role == mta.RoleJobController {
		f.exit = diagnose.Exit{PID: f.procs[i].PID, Time: at}
	}
	f.procs = slices.Delete(f.procs, i, i+1)
}

const jobControllers = `mta_processes{instance="imta",role="job-controller"}`

// newChannels gives a host with a channel, after ten minutes of which all is well.
func newChannels(t *testing.T) (*host, *channels) {
	f := new(channels)
	h := newHost(t)
	h.e = New(Config{Facts: f})
	f.run(100, mta.RoleDispatcher, h.now)
	f.run(101, mta.RoleJobController, h.now)
	for k, v := range map[string]float64{jobControllers: 1, `mta_processes{instance="imta",role="dispatcher"}`: 1,
		`mta_queue_messages{instance="imta",queue="tcp_local"}`: 3, `mta_queue_untried_messages{instance="imta",queue="tcp_local"}`: 0,
		`mta_queue_untried_oldest_age_seconds{instance="imta",queue="tcp_local"}`: 0} {
		h.set(k, v)
	}
	for range 60 {
		h.step(step)
	}
	if n := len(h.e.Open()); n > 0 {
		t.Fatalf("%d open while all is well", n)
	}
	return h, f
}

// glance judges between two steps, d after the last moment.
func (h *host) glance(d time.Duration) []alert.Change {
	h.now = h.now.Add(d)
	return h.e.Glance(h.now)
}

// only gives the one open finding.
func (h *host) only(code mta.FindingCode) mta.Finding {
	h.t.Helper()
	open := h.e.Open()
	if len(open) != 1 || open[0].Code != code {
		h.t.Fatalf("open: %+v, want %s", open, code)
	}
	return open[0]
}

// TestMendedDaemonIsNotCalledDown: from the first look that sees the daemon
// run, no word says that it is down; its finding is closed 15 s later.
func TestMendedDaemonIsNotCalledDown(t *testing.T) {
	h, f := newChannels(t)
	ended := h.now.Add(time.Second)
	f.end(mta.RoleJobController, ended)
	h.glance(time.Second)
	h.set(jobControllers, 0)
	for range 3 {
		h.step(3 * time.Second)
		if m := h.only(mta.FindingJobControllerDown); !strings.Contains(m.Title, "is down") {
			t.Fatalf("down, and the title is %q", m.Title)
		}
	}
	back := h.now.Add(time.Second)
	f.run(202, mta.RoleJobController, back)
	h.glance(2 * time.Second) // the series say 0 still
	m := h.only(mta.FindingJobControllerDown)
	for _, s := range append([]string{m.Title, m.Cause}, m.Advice...) {
		if strings.Contains(s, "is down") || strings.Contains(s, "start-msg") {
			t.Errorf("it runs again, and is told: %s", s)
		}
	}
	if want := "the job controller of imta was down since " + ended.Format("15:04:05") + "; it is back since " + back.Format("15:04:05") + " (watching that it stays)"; m.Title != want || m.Severity != mta.SeverityCritical {
		t.Errorf("%s %q, want %q", m.Severity, m.Title, want)
	}
	h.set(jobControllers, 1)
	for range 6 {
		h.step(2 * time.Second)
		h.only(mta.FindingJobControllerDown) // it must stay for a time
	}
	f.end(mta.RoleJobController, h.now.Add(time.Second)) // and does not
	h.glance(2 * time.Second)
	if m := h.only(mta.FindingJobControllerDown); !strings.Contains(m.Title, "is down") {
		t.Errorf("it ended again, and the title is %q", m.Title)
	}
	f.run(203, mta.RoleJobController, h.now)
	h.glance(2 * time.Second)
	h.glance(14 * time.Second)
	h.only(mta.FindingJobControllerDown)
	if changes := h.glance(2 * time.Second); len(changes) != 1 || changes[0].Kind != alert.Resolved || !strings.Contains(changes[0].Finding.Title, "is down") {
		t.Errorf("after it stayed: %+v, want the end of what was down", changes)
	}
}

// TestDaemonThatIsNotSeenIsNotBack: a process table that cannot be read says nothing.
func TestDaemonThatIsNotSeenIsNotBack(t *testing.T) {
	h, f := newChannels(t)
	f.end(mta.RoleJobController, h.now.Add(time.Second))
	h.glance(time.Second)
	delete(h.values, jobControllers)
	f.procs, f.exit = nil, diagnose.Exit{}
	h.step(step)
	if m := h.only(mta.FindingJobControllerDown); !strings.Contains(m.Title, "is down") {
		t.Errorf("nothing is known, and the title is %q", m.Title)
	}
}

// TestDaemonThatIsNotSeenStaysDown: while the process table cannot be read nothing
// tells that the job controller is back; the finding ends when it is seen.
func TestDaemonThatIsNotSeenStaysDown(t *testing.T) {
	h, f := newChannels(t)
	f.end(mta.RoleJobController, h.now.Add(time.Second))
	h.glance(time.Second)
	delete(h.values, jobControllers)
	procs := f.procs
	f.procs, f.exit = nil, diagnose.Exit{}
	for range 30 {
		h.step(step)
	}
	h.only(mta.FindingJobControllerDown)
	h.set(jobControllers, 1)
	f.procs = procs
	f.run(102, mta.RoleJobController, h.now)
	for range 3 {
		h.step(step)
	}
	if open := h.e.Open(); len(open) != 0 {
		t.Errorf("it runs for 30 s, and open is %+v", open)
	}
}

// TestStoppedChannelUnderJobController: it is listed under the job controller
// that is down, and is told by itself as soon as that is closed.
func TestStoppedChannelUnderJobController(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before time.Duration // it was stopped so long before the end
	}{{"stopped before", 30 * time.Second}, {"stopped meanwhile", -10 * time.Second}} {
		t.Run(tt.name, func(t *testing.T) {
			h, f := newChannels(t)
			stop := func() {
				f.states = []mta.Condition{{Kind: mta.ConditionQueueStopped, Subject: "tcp_local", Since: h.now, Text: "the channel tcp_local is stopped"}}
			}
			if tt.before > 0 {
				stop()
				h.step(tt.before)
				h.only(mta.FindingQueueNotDraining)
			}
			f.end(mta.RoleJobController, h.now.Add(time.Second))
			h.glance(time.Second)
			h.set(jobControllers, 0)
			h.step(9 * time.Second)
			if tt.before < 0 {
				stop()
				h.step(-tt.before)
			}
			m := h.only(mta.FindingJobControllerDown)
			if !slices.ContainsFunc(m.Folded, func(o mta.Finding) bool {
				return o.Code == mta.FindingQueueNotDraining && o.Subject == "tcp_local" && strings.Contains(o.Title, "is stopped")
			}) {
				t.Errorf("%+v are listed under it", m.Folded)
			}
			f.run(202, mta.RoleJobController, h.now.Add(time.Second))
			h.set(jobControllers, 1)
			h.glance(2 * time.Second)
			h.only(mta.FindingJobControllerDown)
			h.glance(15 * time.Second)
			if m := h.only(mta.FindingQueueNotDraining); m.Subject != "tcp_local" {
				t.Errorf("about %q", m.Subject)
			}
		})
	}
}

// TestJobControllerKilledAfterAChannelWasMended: two troubles, each with its own begin and end.
func TestJobControllerKilledAfterAChannelWasMended(t *testing.T) {
	h, f := newChannels(t)
	stopped := h.now
	f.states = []mta.Condition{{Kind: mta.ConditionQueueStopped, Subject: "tcp_local", Since: stopped, Text: "the channel tcp_local is stopped"}}
	for range 12 {
		h.step(step)
	}
	channel := h.only(mta.FindingQueueNotDraining)
	f.states = nil // started again
	mended := h.now.Add(step)
	for range 3 {
		h.step(step)
	}
	killed := h.now.Add(time.Second)
	f.end(mta.RoleJobController, killed)
	noticed := h.now.Add(2 * time.Second)
	h.glance(2 * time.Second)
	m := h.only(mta.FindingJobControllerDown)
	if m.ID == channel.ID || !m.Since.Equal(killed) || !m.Noticed.Equal(noticed) {
		t.Errorf("%s since %s, noticed %s; want an ID of its own, since %s, noticed %s", m.ID, m.Since, m.Noticed, killed, noticed)
	}
	if len(m.Folded) != 1 || m.Folded[0].ID != channel.ID || !m.Folded[0].Since.Equal(stopped) {
		t.Errorf("listed under it: %+v, want the channel since %s", m.Folded, stopped)
	}
	h.set(jobControllers, 0)
	for range 5 {
		h.step(step)
	}
	f.run(202, mta.RoleJobController, h.now)
	h.set(jobControllers, 1)
	back := h.now.Add(step)
	for range 3 {
		h.step(step)
	}
	if open := h.e.Open(); len(open) != 0 {
		t.Errorf("open at the end: %+v", open)
	}
	past := h.e.Past()
	if len(past) != 2 || past[0].ID != m.ID || !past[0].Since.Equal(killed) || !past[0].End.Equal(back) ||
		past[1].ID != channel.ID || !past[1].Since.Equal(stopped) || !past[1].End.Equal(mended) {
		t.Errorf("past: %+v; want the job controller %s to %s, and the channel %s to %s", past, killed, back, stopped, mended)
	}
}

// TestMendedChannelIsNotCalledStopped: from the first look at the server's own
// files that does not find it stopped, no word says that it is to be started.
func TestMendedChannelIsNotCalledStopped(t *testing.T) {
	h, f := newChannels(t)
	stopped := h.now
	f.states = []mta.Condition{{Kind: mta.ConditionQueueStopped, Subject: "tcp_local", Since: stopped, Text: "the channel tcp_local is stopped"}}
	h.set(`mta_queue_messages{instance="imta",queue="tcp_local"}`, 42)
	for range 6 {
		h.step(step)
	}
	if m := h.only(mta.FindingQueueNotDraining); !strings.Contains(m.Title, "is stopped: 42 messages") || !strings.Contains(m.Advice[0], "qm start") {
		t.Fatalf("stopped, and told: %q, %q", m.Title, m.Advice)
	}
	f.states, f.blind = nil, true
	h.glance(2 * time.Second)
	if m := h.only(mta.FindingQueueNotDraining); !strings.Contains(m.Title, "is stopped") {
		t.Errorf("its state is not known, and told: %q", m.Title)
	}
	f.blind = false
	h.glance(2 * time.Second)
	back := h.now
	want := "the channel tcp_local of imta was stopped since " + stopped.Format("15:04:05") + "; it works again since " + back.Format("15:04:05") + " (watching that it drains)"
	for range 5 {
		m := h.only(mta.FindingQueueNotDraining)
		if m.Title != want || !m.Over.Equal(back) || strings.Contains(strings.Join(m.Advice, " "), "qm start") {
			t.Errorf("it was started, and told: %q over since %s, %q; want %q", m.Title, m.Over, m.Advice, want)
		}
		h.step(step)
	}
	f.states = []mta.Condition{{Kind: mta.ConditionQueueStopped, Subject: "tcp_local", Since: h.now, Text: "the channel tcp_local is stopped"}}
	h.glance(time.Second)
	if m := h.only(mta.FindingQueueNotDraining); !strings.Contains(m.Title, "is stopped") {
		t.Errorf("stopped again, and told: %q", m.Title)
	}
	f.states = nil
	for range 8 {
		h.step(step)
	}
	if past := h.e.Past(); len(past) != 1 || !strings.Contains(past[0].Title, "is stopped") || !past[0].Since.Equal(stopped) {
		t.Errorf("past: %+v", past)
	}
}
