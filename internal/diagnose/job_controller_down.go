package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// jobControllerRule finds that nobody decides on deliveries: mail is taken
// in and stays in the queue.
func jobControllerRule() Rule {
	return downRule(mta.RoleJobController, mta.FindingJobControllerDown, jobControllerDown)
}

func jobControllerDown(c *Case, in *Instance) (Candidate, bool) {
	var causes []mta.FindingCode
	if !channelled(in) { // else the two are started apart, and each may fail alone
		causes = append(causes, mta.FindingDispatcherDown)
	}
	k := daemonTrouble(c, in, &in.JobController, mta.RoleJobController, mta.FindingJobControllerDown, causes...)
	e := lookEnded(c, in, &in.JobController, mta.RoleJobController)
	stuck, text := stuckProcesses(c.Facts.Processes(in.Name), mta.RoleJobController)
	switch {
	case e.down || e.replaced:
		daemonEnded(c, in, &in.JobController, mta.RoleJobController, e, "no mail is delivered", &k)
	case len(stuck) > 0 && stuck[0].State == "T":
		daemonStopped(c, in, mta.RoleJobController, stuck, text, "no mail is delivered", &k)
		k.Since = idleSince(c, in)
	default:
		u, ok := untried(c, in)
		if !ok || aliveFor(c, in, &in.JobController, mta.RoleJobController) < u.wait {
			return Candidate{}, false // or it does not run for long enough to have left that mail
		}
		jobControllerHangs(c, in, u, &k)
		if len(stuck) > 0 {
			k.Evidence = append(k.Evidence, fact(text))
			k.Cause = daemonName(c, in.Name, mta.RoleJobController) + " is alive but waits in the kernel (state D), usually for a disk or a network file system."
		}
	}
	k.Explain = func(m *mta.Finding) { explainJobController(c, in, k.State, m) }
	return k, true
}

// idleSince gives since when mail waits that nobody has tried and nothing else
// was tried either; now where that is not known. Mail in a channel that an
// operator has stopped says nothing.
func idleSince(c *Case, in *Instance) time.Time {
	last, oldest := in.Attempts.Last(), time.Duration(0)
	for _, q := range in.Queues {
		if n, age, ok := untriedOf(q); ok && n >= 1 && stopOf(c, in.Name, q.Name) == nil {
			oldest = max(oldest, age)
		}
	}
	since := c.Now.Add(-oldest)
	if last.IsZero() || last.After(c.Now) {
		return c.Now
	}
	if since.Before(last.Add(-attemptsWithin)) {
		since = last
	}
	return since
}

// attemptsWithin is how long before their step attempts may have been made.
const attemptsWithin = 10 * time.Second

func jobControllerHangs(c *Case, in *Instance, u untriedMail, k *Candidate) {
	k.Rank, k.Since, k.Confidence, k.State = RankContradiction, u.since, 0.9, "hangs"
	k.Title = theDaemon(c, in.Name, mta.RoleJobController) + " hangs: " + amountOf(u.count, "message") + " came in and no delivery was tried"
	if n, ok := in.JobController.Count.Value(); ok && n == 0 {
		k.Title = "no job controller" + whose(in.Name) + ": " + amountOf(u.count, "message") + " came in and no delivery was tried"
	}
	k.Cause = "the " + daemonName(c, in.Name, mta.RoleJobController) + " is there but does not work: it is stopped, stuck, or cannot be reached by the rest of the mail server."
	k.Evidence = []mta.Evidence{
		fact(amountOf(u.count, "message") + " accepted more than " + span(u.wait) + " ago, and not one delivery attempt since"),
		reading(in.Attempts, seriesOf("mta_delivery_attempts_total", "instance", in.Name), "0 delivery attempts in the last "+span(u.wait)),
	}
	if n, ok := u.queue.Value(); ok {
		k.Evidence = append(k.Evidence, reading(u.queue, seriesOf("mta_queue_messages", "instance", in.Name), amountOf(n, "message")+" waiting"))
	}
	if len(c.Logs) > 0 {
		k.RuledOut = append(k.RuledOut, "the log is read up to now: attempts would be seen")
	}
}

func explainJobController(c *Case, in *Instance, state string, m *mta.Finding) {
	if n, ok := in.Dispatcher.Count.Value(); ok && n >= 1 {
		m.RuledOut = append(m.RuledOut, "the dispatcher runs: mail is accepted")
	}
	for _, q := range in.Queues {
		if n, ok := q.Messages.Value(); ok && n > 0 && (q.Name == "incoming" || q.Name == "active") {
			m.Evidence = append(m.Evidence, reading(q.Messages, seriesOf("mta_queue_messages", "instance", in.Name, "queue", q.Name),
				amountOf(n, "message")+" in the queue "+q.Name))
		}
	}
	if text := untriedOfAll(in); text != "" {
		m.Evidence = append(m.Evidence, fact(text))
	}
	m.Evidence = append(m.Evidence, complaints(c, in, "job_controller")...)
	switch name := software(c, in.Name); {
	case state == stoppedState: // it is to go on, not to be started
	case name == "postfix", name == "":
		m.Advice = append(m.Advice, "see what Postfix says of it: `postfix status`, and the lines of qmgr and master in the mail log",
			"after its fault is mended, `postfix reload` starts it anew; if master has throttled it, it comes back within a minute by itself")
	case name == "imta":
		m.Advice = append(m.Advice, "read the newest job_controller.log-* (empty while all is well), then start it: `start-msg job_controller`, in older releases `imsimta start job_controller`; it reads the queue from disk, which takes minutes with much mail",
			"afterwards see that the channels work: `imsimta qm jobs`, `imsimta process`")
	case name == "exim":
		m.Advice = append(m.Advice, "start the daemon with its queue interval: `exim -bd -q30m` (Debian: `systemctl start exim4`)")
	case name == "sendmail":
		m.Advice = append(m.Advice, "start the queue runner: `sendmail -q15m` (systemd: `systemctl start sendmail`)")
	case name == "opensmtpd":
		m.Advice = append(m.Advice, "restart it as a whole: `systemctl restart opensmtpd`; its processes live and die together")
	}
	m.Avoid = append(m.Avoid, noFlushUnrun,
		"do not delete queue files: the mail is safe there")
}
