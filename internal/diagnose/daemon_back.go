package diagnose

import (
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// overLook is how old the readings may be in which a daemon that has just been
// started is still missing: a probe, an open port, waiting clients.
const overLook = 25 * time.Second

// startOf gives when the newest process of a role that is not left over was
// started, and its pid (0: not known); zero when none is known to run.
func startOf(c *Case, in *Instance, d *Daemon, role mta.Role) (time.Time, int) {
	if own, _ := living(c.Facts.Processes(in.Name), role); len(own) > 0 {
		p := &own[len(own)-1]
		return p.Start, p.PID
	}
	if n, ok := d.Count.Value(); ok && n >= 1 {
		return d.Started, 0
	}
	return time.Time{}, 0
}

// aliveFor is for how long a daemon has run; long where that is not known.
func aliveFor(c *Case, in *Instance, d *Daemon, role mta.Role) time.Duration {
	start, _ := startOf(c, in, d, role)
	if start.IsZero() {
		return time.Duration(1<<63 - 1)
	}
	return c.Now.Sub(start)
}

// daemonBack rewrites the finding that a daemon is down, hangs or does not
// answer, once its process was seen and nothing speaks against it: an operator
// who has mended it must not read that it is down.
func daemonBack(role mta.Role) func(*Case, *mta.Finding) bool {
	return func(c *Case, m *mta.Finding) bool {
		in := c.instance(m.Instance)
		if in == nil {
			return false
		}
		d := &in.Dispatcher
		if role == mta.RoleJobController {
			d = &in.JobController
		}
		start, pid := startOf(c, in, d, role)
		if start.IsZero() {
			return false // not known, or gone
		}
		anew := start.After(m.Since)
		if !anew && !strings.Contains(m.Cause, "stopped by a signal") && !troubleShows(c, in, role) {
			return false
		}
		name, process := theDaemon(c, in.Name, role), daemonName(c, in.Name, role)
		if pid != 0 {
			process += " " + amountPlain(pid)
		}
		was := fact("what was found before: " + m.Cause)
		began, back := moment(c.Now, m.Since), moment(c.Now, start)
		m.RuledOut, m.Avoid = nil, nil
		if anew {
			what := " had trouble since "
			if strings.Contains(m.Title, " is down") {
				what = " was down since "
			}
			m.Title = name + what + began + "; it is back since " + back + " (watching that it stays)"
			m.Cause = process + " was started at " + back + ", " + span(start.Sub(m.Since)) + " after the trouble began."
			m.Advice = []string{"nothing is to be started; find out why it ended, lest it ends again"}
			if role == mta.RoleJobController && software(c, in.Name) == "imta" {
				m.Advice = append(m.Advice, "it reads the queue from disk first, which takes minutes with much mail; see that the channels work: `imsimta qm jobs`")
			}
			m.Avoid = []string{"do not start it once more: two of them do harm"}
		} else {
			m.Title = name + " had trouble since " + began + "; it runs, and no trouble is seen with it any more (watching that it stays so)"
			m.Cause = process + " runs since " + back + ", and what was found of it has passed."
			m.Advice = []string{"find out what held it up, lest it happens again"}
		}
		m.Evidence = []mta.Evidence{fact(process + " runs; 1 is the rule"), was}
		return true
	}
}

// troubleShows reports whether that is read by which a daemon that runs is seen
// to hang or not to answer: else its silence says nothing.
func troubleShows(c *Case, in *Instance, role mta.Role) bool {
	if role == mta.RoleJobController {
		return logsCurrent(c)
	}
	for _, p := range in.Ports {
		if _, read := p.Current.Value(); !read {
			return false
		}
	}
	for name, g := range c.Probes {
		if kind, _, _ := strings.Cut(name, ":"); kind != "smtp" {
			continue
		}
		if _, known := g.Value(); !known {
			return false
		}
	}
	return true
}

// moment names a time for a sentence: the clock alone where it is of this day.
func moment(now, t time.Time) string {
	t = t.In(now.Location())
	if y, d := now.Year(), now.YearDay(); t.Year() == y && t.YearDay() == d {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}
