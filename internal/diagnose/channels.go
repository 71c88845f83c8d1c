package diagnose

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// A server with a queue for each channel tells its untried mail apart. Untried
// mail that is old says that nobody works on the channel; old mail that was
// tried says that the other side does not take it.

// channelled reports whether an instance has a queue for each channel.
func channelled(in *Instance) bool {
	return slices.ContainsFunc(in.Queues, func(q *Queue) bool { return q.Untried != nil })
}

// untriedOf gives the untried messages of a queue and the age of the oldest.
func untriedOf(q *Queue) (n float64, age time.Duration, ok bool) {
	n, ok = q.Untried.Value()
	seconds, known := q.UntriedOldest.Value()
	return n, time.Duration(seconds * float64(time.Second)), ok && (known || n == 0)
}

// longUntried is how long a message of a channel that works is untried at most, in general.
const longUntried = 10 * time.Minute

// oldUntried reports whether mail waits in any channel that nobody has tried for long.
func oldUntried(in *Instance) bool {
	return slices.ContainsFunc(in.Queues, func(q *Queue) bool {
		n, age, ok := untriedOf(q)
		return ok && n >= 1 && age >= longUntried
	})
}

// untriedText says of a queue how much of it was never tried, and what that means.
func untriedText(q *Queue) string {
	n, age, ok := untriedOf(q)
	all, known := q.Messages.Value()
	switch {
	case !ok || !known || all < 1:
		return ""
	case n < 1:
		return "all that waits in " + q.Name + " was tried: the other side does not take it"
	case age >= longUntried:
		return amount(n) + " of " + amountOf(all, "message") + " in " + q.Name + " were never tried, the oldest waits for " + span(age) + ": nobody works on them"
	}
	return amount(n) + " of " + amountOf(all, "message") + " in " + q.Name + " were not tried yet, the oldest for " + span(age) + "; the rest was tried and put off"
}

// channelEvidence tells of the channels that hold most, the largest first.
func channelEvidence(in *Instance) []mta.Evidence {
	if !channelled(in) {
		return nil
	}
	queues := slices.Clone(in.Queues)
	slices.SortStableFunc(queues, func(a, b *Queue) int { return cmp.Compare(valueOrZero(b.Messages), valueOrZero(a.Messages)) })
	var list []mta.Evidence
	for _, q := range queues {
		n, ok := q.Messages.Value()
		if len(list) == 3 || !ok || n < 1 || OnHold(q.Name) {
			continue
		}
		e := reading(q.Messages, seriesOf("mta_queue_messages", "instance", in.Name, "queue", q.Name), amountOf(n, "message")+" in the channel "+q.Name)
		if text := untriedText(q); text != "" {
			e.Text += "; " + text
		}
		list = append(list, e)
	}
	return list
}

// untriedOfAll adds up the untried mail of all channels; "" where there is none.
func untriedOfAll(in *Instance) string {
	sum, oldest := 0.0, time.Duration(0)
	for _, q := range in.Queues {
		if n, age, ok := untriedOf(q); ok && n > 0 {
			sum, oldest = sum+n, max(oldest, age)
		}
	}
	if sum < 1 {
		return ""
	}
	return amountOf(sum, "message") + " in the channels never tried, the oldest waits for " + span(oldest)
}

// stopOf gives by what a queue is stopped ("" is any queue); nil when it is not.
func stopOf(c *Case, instance, queue string) *mta.Condition {
	list := c.Facts.Conditions(instance)
	for i := range list {
		if list[i].Kind == mta.ConditionQueueStopped && (queue == "" || list[i].Subject == queue) {
			return &list[i]
		}
	}
	return nil
}

// stoppedChannelsHoldIt reports whether the untried mail stands in channels
// that an operator has stopped.
func stoppedChannelsHoldIt(c *Case, in *Instance) bool {
	if stopOf(c, in.Name, "") == nil {
		return false
	}
	stopped, others := 0.0, 0.0
	for _, q := range in.Queues {
		n, _, ok := untriedOf(q)
		if !ok {
			continue
		}
		if stopOf(c, in.Name, q.Name) != nil {
			stopped += n
		} else {
			others += n
		}
	}
	return stopped >= 1 && others < max(1, 0.2*stopped)
}

// channelsStuck finds channels on which nobody works while others drain.
func channelsStuck(c *Case, in *Instance) []Candidate {
	var list []Candidate
	for _, q := range in.Queues {
		if q.Untried == nil || OnHold(q.Name) {
			continue
		}
		if stop := stopOf(c, in.Name, q.Name); stop != nil {
			list = append(list, channelStopped(c, in, q, stop))
		} else if k, ok := channelStuck(c, in, q); ok {
			list = append(list, k)
		}
	}
	return list
}

func ofChannel(in *Instance, q *Queue) Candidate {
	k := notDraining(in, q.Name)
	k.Family = "channel|" + q.Name // one may stand still for another reason than the next
	k.DependsOn = []mta.FindingCode{mta.FindingJobControllerDown, mta.FindingDiskFilling, mta.FindingBlindSpot}
	if n, ok := q.Untried.Value(); ok {
		k.Evidence = append(k.Evidence, reading(q.Untried, seriesOf("mta_queue_untried_messages", "instance", in.Name, "queue", q.Name),
			amountOf(n, "message")+" in "+q.Name+" that no delivery was tried for"))
	}
	if _, ok := q.UntriedOldest.Value(); ok {
		_, age, _ := untriedOf(q)
		k.Evidence = append(k.Evidence, reading(q.UntriedOldest, seriesOf("mta_queue_untried_oldest_age_seconds", "instance", in.Name, "queue", q.Name),
			"the oldest of them waits for "+span(age)))
	}
	if all, ok := q.Messages.Value(); ok {
		n := valueOrZero(q.Untried)
		k.Evidence = append(k.Evidence, fact(amountOf(all, "message")+" in "+q.Name+" in all: "+amount(n)+" untried, "+amount(max(0, all-n))+" tried and put off"))
	}
	return k
}

// stoppedCause is why a stopped channel does not drain; channelBack knows it by this.
const stoppedCause = "an operator has stopped the channel; that holds over restarts until somebody starts it again."

// channelStopped tells of a channel that an operator has stopped: by itself
// that is no fault, mail that waits there is.
func channelStopped(c *Case, in *Instance, q *Queue, stop *mta.Condition) Candidate {
	n, age, _ := untriedOf(q)
	waiting := valueOrZero(q.Messages)
	k := ofChannel(in, q)
	k.Rank, k.Need, k.Confidence = RankDirect, 0, 0.98
	k.Clear = time.Minute
	k.Stays = true // no other's end starts it
	k.Since = sinceOr(stop.Since, c.Now)
	k.Severity = mta.SeverityInfo
	switch {
	case n >= 50 && age >= longUntried || n >= 10 && age >= time.Hour:
		k.Severity = mta.SeverityCritical
	case waiting >= 1:
		k.Severity = mta.SeverityWarning
	}
	k.Title = "the channel " + q.Name + whose(in.Name) + " is stopped: " + amountOf(waiting, "message") + " wait in it"
	k.Cause, k.State = stoppedCause, stoppedState
	k.Evidence = append([]mta.Evidence{{Text: stop.Text, Lines: cutLines(stop.Lines)}}, k.Evidence...)
	k.Explain = func(m *mta.Finding) { explainChannel(c, in, q, true, m) }
	return k
}

// channelStuck is the reading of figures alone: mail that nobody has tried
// gets older and does not become less, while the rest of the server works.
func channelStuck(c *Case, in *Instance, q *Queue) (Candidate, bool) {
	n, age, ok := untriedOf(q)
	before, known := q.UntriedOldest.Ago(5 * time.Minute)
	had, counted := q.Untried.Ago(5 * time.Minute)
	if !ok || !known || !counted || n < 1 || age < longUntried {
		return Candidate{}, false
	}
	if older := age.Seconds() - before; older < 240 || older > 360 || n < 0.9*had {
		return Candidate{}, false // it is not the same message that stays, or it gets less
	}
	b := q.UntriedOldest.Range()
	learned := !learnedLittle(q.UntriedOldest)
	if learned && age.Seconds() <= 1.2*b.High+60 || !learned && n < 3 {
		return Candidate{}, false // so it is at this hour: a channel with times of its own
	}
	k := ofChannel(in, q)
	k.Need = 30 * time.Second
	k.Score = score(q.UntriedOldest.Up())
	k.Since = c.Now.Add(-age)
	k.Severity = mta.SeverityInfo
	if n >= 5 || learned && n >= 2 {
		k.Severity = mta.SeverityWarning
	}
	if n >= 50 && age >= 30*time.Minute {
		k.Severity = mta.SeverityCritical
	}
	k.Title = "the channel " + q.Name + whose(in.Name) + " does not drain: " + amountOf(n, "message") + " untried, the oldest for " + span(age)
	k.Cause = "nobody works on the channel: it is stopped, its program does not start, or the Job Controller does not know of its mail."
	if tried := total(in.Attempts, 5*time.Minute); tried >= 1 {
		k.RuledOut = append(k.RuledOut, "the Job Controller works: "+amountOf(tried, "attempt")+" in 5 min in other channels")
	}
	k.Explain = func(m *mta.Finding) { explainChannel(c, in, q, false, m) }
	return k, true
}

func explainChannel(c *Case, in *Instance, q *Queue, stopped bool, m *mta.Finding) {
	var fresh []string
	for _, o := range in.Queues {
		if n, age, ok := untriedOf(o); o != q && ok && (n < 1 || age < longUntried) && valueOrZero(o.Messages) >= 0 && !OnHold(o.Name) {
			fresh = append(fresh, o.Name)
		}
	}
	if len(fresh) > 0 {
		m.RuledOut = append(m.RuledOut, "it is this channel alone: there is no old untried mail in "+names(fresh, 4))
	}
	if n, ok := in.JobController.Count.Value(); ok && n >= 1 {
		m.RuledOut = append(m.RuledOut, "the Job Controller runs")
	}
	m.Evidence = append(m.Evidence, complaints(c, in, "job_controller")...)
	name := typed(q.Name, "CHANNEL")
	m.Advice = append(m.Advice, "start it: `imsimta qm start "+name+"`; a stop outlasts restarts and reboots, so find out who stopped it and why")
	if stopped {
		m.Avoid = append(m.Avoid, "do not restart the Job Controller for it: a stopped channel stays stopped, and the rest of the mail waits while it reads the queue anew")
		return
	}
	m.Advice = append(m.Advice, "if it is not stopped, see what works on it: `imsimta qm jobs`, the newest "+q.Name+"_master.log-*, and the delivery times in job_controller.cnf (a channel may wait on purpose)",
		"if its mail is not in the Job Controller's list (`imsimta cache -view "+name+"`), have it look at the disk: `imsimta cache -sync`")
	m.Avoid = append(m.Avoid, "do not restart the Job Controller for it: a stopped channel stays stopped, and the rest of the mail waits while it reads the queue anew",
		"do not move queue files to another channel: the mail is safe where it is")
}

// heldElsewhere finds mail that is held outside the channel hold: a loop, or
// suspicion. The files themselves show it, so no habit is needed.
func heldElsewhere(c *Case, in *Instance, q *Queue) []Candidate {
	n, ok := q.Messages.Value()
	if !ok || n < 1 {
		return nil
	}
	k := Candidate{Need: 0, Clear: time.Minute, Family: "hold", Rank: RankDirect}
	k.Code, k.Instance, k.Subject = mta.FindingMailHeld, in.Name, q.Name
	k.Severity, k.Confidence = mta.SeverityWarning, 0.97
	k.Since = c.Now
	if seconds, known := q.Oldest.Value(); known && seconds > 0 {
		k.Since = c.Now.Add(-time.Duration(seconds * float64(time.Second)))
	}
	k.DependsOn = []mta.FindingCode{mta.FindingMailLoop}
	k.Title = amountOf(n, "message") + " held (.HELD) outside the channel hold" + onHost(in.Name)
	k.Cause = "the server has set mail aside: it goes in circles (too many Received lines), or looked suspicious; the Job Controller does not see it, and it waits until somebody decides."
	k.Evidence = []mta.Evidence{reading(q.Messages, seriesOf("mta_queue_messages", "instance", in.Name, "queue", q.Name), amountOf(n, "file")+" named .HELD")}
	k.Explain = func(m *mta.Finding) {
		if loops := total(in.Causes[mta.CauseLoop], time.Hour) + total(in.RejectCauses[mta.CauseLoop], time.Hour); loops >= 1 {
			m.Evidence = append(m.Evidence, fact(amountOf(loops, "message")+" refused or returned as looping in the last hour"))
		}
		m.Advice = append(m.Advice, "list it, and read why: `imsimta qm held`, then `imsimta qm read` with its number: many Received lines with the same hosts are a loop",
			"a loop: mend the alias, forward or MX that makes it first; suspicion: decide; then `imsimta qm release`, or `imsimta qm delete` or `imsimta qm return`")
		m.Avoid = append(m.Avoid, "do not release what loops before the loop is mended: it comes back", "do not rename the files by hand while the Job Controller runs, but for `imsimta cache -sync` afterwards")
	}
	return []Candidate{k}
}

// neverReturned finds mail that is older than the server keeps any: what
// returns it to its senders every night does not, or cannot.
func neverReturned(c *Case, in *Instance, q *Queue, life time.Duration, configured bool) (Candidate, bool) {
	seconds, ok := q.Oldest.Value()
	age := time.Duration(seconds * float64(time.Second))
	if !ok || !configured || !channelled(in) || OnHold(q.Name) || age < life+25*time.Hour {
		return Candidate{}, false
	}
	k := Candidate{Need: time.Minute, Clear: 30 * time.Minute, Family: "old-mail", Rank: RankDirect}
	k.Code, k.Instance, k.Subject = mta.FindingQueueOldMail, in.Name, q.Name
	k.Severity, k.Confidence = mta.SeverityWarning, 0.9
	k.Since = c.Now.Add(life - age + 24*time.Hour)
	k.Title = "mail in the channel " + q.Name + whose(in.Name) + " was due to be returned: the oldest has waited " + span(age) + ", " + span(life) + " are allowed"
	k.Cause = "mail is neither delivered nor returned to its sender: the nightly return job does not run, or cannot handle it."
	k.Evidence = []mta.Evidence{reading(q.Oldest, seriesOf("mta_queue_oldest_age_seconds", "instance", in.Name, "queue", q.Name), "the oldest message is "+amount(seconds)+" s old")}
	k.DependsOn = []mta.FindingCode{mta.FindingOwnResourceFailing, mta.FindingJobControllerDown}
	k.Explain = func(m *mta.Finding) { explainOld(c, in, life, m) }
	return k, true
}

// stateFindings tells of what the server's own files say is wrong.
func stateFindings(c *Case, in *Instance) []Candidate {
	var list []Candidate
	for _, s := range c.Facts.Conditions(in.Name) {
		switch s.Kind {
		case mta.ConditionReturnJobMissed:
			list = append(list, returnJobMissed(c, in, &s))
		case mta.ConditionDaemonComplains:
			if c.Now.Sub(s.Since) < complaintStands {
				list = append(list, daemonComplains(c, in, &s))
			}
		}
	}
	return list
}

func returnJobMissed(c *Case, in *Instance, s *mta.Condition) Candidate {
	k := Candidate{Need: time.Minute, Clear: time.Minute, Family: "return-job", Rank: RankDirect}
	k.Code, k.Instance, k.Subject = mta.FindingOwnResourceFailing, in.Name, "return job"
	k.Severity, k.Confidence = mta.SeverityWarning, 0.95
	k.Since = sinceOr(s.Since, c.Now)
	k.DependsOn = []mta.FindingCode{mta.FindingJobControllerDown}
	k.Explains = []mta.FindingCode{mta.FindingQueueOldMail} // nothing else waits for it
	k.Title = "the return job" + whose(in.Name) + " did not run"
	k.Cause = "the nightly job has not run for more than a day: undeliverable mail is not returned to its senders, and mail.log_current is not rotated."
	k.Evidence = []mta.Evidence{{Text: s.Text, Lines: cutLines(s.Lines)}}
	k.Explain = func(m *mta.Finding) {
		if n, ok := in.JobController.Count.Value(); ok && n >= 1 {
			m.RuledOut = append(m.RuledOut, "the Job Controller, which starts it, runs")
		}
		m.Evidence = append(m.Evidence, complaints(c, in, "job_controller")...)
		m.Advice = append(m.Advice, "see that it is still told to run: the section [PERIODIC_JOB=return] of job_controller.cnf (unified configuration: `msconfig show job_controller.job_pool*`), then the newest return.log-*",
			"see that the log and queue directories can be written by the server's user and have room: `df -h`",
			"run its command, which stands in that section, by hand as the server's user to see what it says")
		m.Avoid = append(m.Avoid, "do not rotate mail.log_current by hand meanwhile: the return job renames it when it runs again")
	}
	return k
}

// complaintStands is for how long what a daemon wrote last is news.
const complaintStands = 24 * time.Hour

func daemonComplains(c *Case, in *Instance, s *mta.Condition) Candidate {
	log, _, _ := strings.Cut(cut(s.Subject, 80), "-") // each start of the daemon gives its log another name
	k := Candidate{Need: 0, Clear: time.Minute, Family: "complains|" + log, Rank: RankGrowth}
	k.Code, k.Instance, k.Subject = mta.FindingOwnResourceFailing, in.Name, log
	k.Severity, k.Confidence = mta.SeverityInfo, 0.8
	k.Since = sinceOr(s.Since, c.Now)
	k.DependsOn = []mta.FindingCode{mta.FindingJobControllerDown, mta.FindingDispatcherDown}
	k.Explains = []mta.FindingCode{} // words in a log are not known to be the cause of anything
	k.Title = log + whose(in.Name) + " tells of trouble"
	if strings.HasPrefix(log, "job_controller") {
		k.Title = log + whose(in.Name) + " has something in it; while all is well it is empty"
	}
	k.Cause = "a daemon of the mail server complains in its own log."
	k.Evidence = []mta.Evidence{{Text: s.Text, Lines: cutLines(s.Lines)}}
	k.Advice = []string{"read it: the lines name the channel program or file that fails; mend that, the log is begun anew when the daemon starts next"}
	k.Avoid = []string{"do not restart the daemon only to have the log empty again"}
	return k
}

// complaints is what the log of a daemon says that is empty while all is well.
func complaints(c *Case, in *Instance, daemon string) []mta.Evidence {
	var list []mta.Evidence
	for _, s := range c.Facts.Conditions(in.Name) {
		if s.Kind == mta.ConditionDaemonComplains && strings.Contains(s.Subject, daemon) {
			list = append(list, mta.Evidence{Text: s.Text, Lines: cutLines(s.Lines)})
		}
	}
	return list
}

// cutLines keeps the last few lines of a file, none without end.
func cutLines(all []string) []string {
	var list []string
	for _, l := range all[max(0, len(all)-5):] {
		list = append(list, verbatim(l))
	}
	return list
}
