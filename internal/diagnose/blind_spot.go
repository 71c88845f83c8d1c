package diagnose

import (
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// blindSpotRule tells what mtawatch should see and does not, so that nobody
// takes missing numbers for good ones.
func blindSpotRule() Rule {
	return Rule{
		Codes: []mta.FindingCode{mta.FindingBlindSpot},
		Judge: func(c *Case) []Candidate {
			var list []Candidate
			told := make(map[string]bool)
			for _, s := range c.Facts.Blind() {
				if told[s.Source] {
					continue
				}
				told[s.Source] = true
				if k, ok := silentLog(c, &s); ok {
					list = append(list, k)
					continue
				}
				list = append(list, blindSpot(c, &s))
			}
			for _, l := range c.Logs {
				if told[l.Name] {
					continue
				}
				if k, ok := logFails(c, l); ok {
					list = append(list, k)
				}
			}
			return list
		},
	}
}

func blindCandidate(c *Case, source string) Candidate {
	k := Candidate{Need: 20 * time.Second, Clear: 20 * time.Second, Family: "blind|" + source, Rank: RankDirect}
	k.Code, k.Subject, k.Since = mta.FindingBlindSpot, source, c.Now
	k.Severity, k.Confidence = mta.SeverityWarning, 0.99
	return k
}

// blindSpot tells of a blind spot that the belt has found itself.
func blindSpot(c *Case, s *mta.BlindSpot) Candidate {
	k := blindCandidate(c, s.Source)
	k.Since = sinceOr(s.Since, c.Now)
	k.Title = blindTitle(s)
	k.Cause = strings.TrimSuffix(s.Text, ".") + "."
	k.Evidence = []mta.Evidence{fact(s.Text)}
	switch s.Kind {
	case mta.BlindBehind:
		k.Severity, k.Need = mta.SeverityInfo, 5*time.Minute
	case mta.BlindLost:
		k.Severity = mta.SeverityInfo
	case mta.BlindSilent:
		k.Confidence = 0.8
	}
	if strings.HasSuffix(s.Source, "listing") {
		k.Severity = mta.SeverityInfo // the queue is still counted
	}
	if s.Advice != "" {
		k.Advice = append(k.Advice, s.Advice)
	}
	k.Advice = append(k.Advice, "see what can be seen and what would mend the rest: `mtawatch doctor`")
	k.Avoid = []string{"do not read missing numbers as zero: while this is open, no news from here is not good news"}
	for _, in := range c.Instances {
		if n, ok := in.Dispatcher.Count.Value(); ok && n >= 1 && s.Kind == mta.BlindSilent {
			k.RuledOut = append(k.RuledOut, "the mail server"+whose(in.Name)+" runs")
		}
	}
	if s.Kind == mta.BlindSilent {
		k.DependsOn = []mta.FindingCode{mta.FindingDispatcherDown}
	}
	return k
}

// silentLog gives the stronger reading of a log's silence, where there is one.
func silentLog(c *Case, s *mta.BlindSpot) (Candidate, bool) {
	if s.Kind != mta.BlindSilent {
		return Candidate{}, false
	}
	for _, l := range c.Logs {
		if l.Name == s.Source {
			return silentWhileMoving(c, l)
		}
	}
	return Candidate{}, false
}

func blindTitle(s *mta.BlindSpot) string {
	switch s.Kind {
	case mta.BlindMissing:
		return s.Source + " is missing: mtawatch cannot see what it would tell"
	case mta.BlindUnreadable:
		return s.Source + " cannot be read"
	case mta.BlindSilent:
		return s.Source + " has fallen silent"
	case mta.BlindNotUnderstood:
		return s.Source + " is not understood"
	case mta.BlindLost:
		return "lines of " + s.Source + " are lost"
	case mta.BlindBehind:
		return s.Source + " is still being read"
	}
	return s.Source + " fails"
}

// logFails judges a log from series alone.
func logFails(c *Case, l *Log) (Candidate, bool) {
	if k, ok := silentWhileMoving(c, l); ok {
		return k, true
	}
	up, ok := l.Up.Value()
	if !ok || up != 0 {
		return Candidate{}, false
	}
	k := blindCandidate(c, l.Name)
	k.Need, k.Confidence = time.Minute, 0.9
	k.Since = sinceOr(l.Up.Last(), c.Now)
	k.Title = "the log " + l.Name + " is not read, or not understood"
	k.Cause = "mtawatch reports this log source as down: it is missing, unreadable, silent or of another mail server."
	k.Evidence = []mta.Evidence{fact("mtawatch_source_up is 0")}
	if v, known := l.Up.Value(); known {
		k.Evidence[0].Value, k.Evidence[0].Series = &v, seriesOf("mtawatch_source_up", "source", l.Name)
	}
	if _, n, known := l.Lines.Sum(time.Hour); known && n == 0 {
		k.Evidence = append(k.Evidence, reading(l.Lines, seriesOf("mtawatch_log_lines_total", "source", l.Name), "no line in the last hour"))
	}
	k.Advice = []string{"see what is wrong with it: `mtawatch doctor`"}
	k.Avoid = []string{"do not read missing numbers as zero: while this is open, no news from here is not good news"}
	return k, true
}

// silentWhileMoving finds the contradiction: clients come and go as usual,
// and the log says nothing. Then the log is at fault, not the mail.
func silentWhileMoving(c *Case, l *Log) (Candidate, bool) {
	if c.LogOnly {
		return Candidate{}, false
	}
	opened, d, ok := movingSilence(c, l)
	if !ok || !served(c) {
		return Candidate{}, false
	}
	k := blindCandidate(c, l.Name)
	k.Need, k.Confidence, k.Rank = twice, 0.9, RankContradiction
	k.Since = sinceOr(l.Lines.Last(), c.Now)
	k.Score = score(l.Lines.Silent())
	k.Title = "the log " + l.Name + " has fallen silent while mail goes on"
	k.Cause = "sockets move but the log is silent: the log source is at fault, not the mail."
	k.Evidence = []mta.Evidence{
		reading(l.Lines, seriesOf("mtawatch_log_lines_total", "source", l.Name), "0 lines in the last "+span(d)),
		fact(amountOf(opened, "connection") + " came and went in the same time"),
	}
	k.RuledOut = []string{"the mail has not stopped: clients connect and are served"}
	k.Advice = []string{"see whether the syslog daemon runs and writes where mtawatch reads: `systemctl status rsyslog`, `logger -p mail.info test; tail -1 " + l.Name + "`",
		"see whether the file was moved or rotated without telling the writer: `ls -li " + l.Name + "`, `lsof " + l.Name + "`; is the disk full: `df -h`",
		"see what mtawatch reads: `mtawatch doctor`"}
	k.Avoid = []string{"do not restart the mail server for this", "do not take the quiet failure counts for health: until the log is back they are unknown"}
	k.DependsOn = []mta.FindingCode{mta.FindingDispatcherDown}
	return k, true
}

// movingSilence reports a log without any line during the shortest time in
// which at least ten clients came, where lines used to come with clients.
func movingSilence(c *Case, l *Log) (opened float64, d time.Duration, ok bool) {
	if !aloneOrAllSilent(c) {
		return 0, 0, false
	}
	for _, d := range [...]time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute} {
		if _, n, known := l.Lines.Sum(d); !known || n > 0 {
			return 0, 0, false
		}
		if moved := movedIn(c, d); moved >= 10 {
			return moved, d, speaks(c, l, d)
		}
	}
	return 0, 0, false
}

// speaks reports whether the log used to have lines where clients came: in
// the hour before it fell silent, or by what is normal.
func speaks(c *Case, l *Log, d time.Duration) bool {
	if usual, ok := l.Lines.Expected(d); ok && usual >= 10 {
		return true
	}
	last := l.Lines.Last()
	silence := c.Now.Sub(last)
	if last.IsZero() || silence > 2*time.Hour {
		return false
	}
	_, n, ok := l.Lines.Sum(silence + time.Hour)
	before := movedIn(c, silence+time.Hour) - movedIn(c, silence)
	return ok && n >= 10 && n >= 0.5*before
}

// movedIn counts the clients that came to any port.
func movedIn(c *Case, d time.Duration) (sum float64) {
	for _, p := range c.Ports {
		if _, n, ok := p.Opened.Sum(d); ok {
			sum += n
		}
	}
	return sum
}

// aloneOrAllSilent: with several logs no one knows which of them tells of
// which port, so all must be silent.
func aloneOrAllSilent(c *Case) bool {
	for _, l := range c.Logs {
		if _, n, ok := l.Lines.Sum(time.Minute); !ok || n > 0 {
			return false
		}
	}
	return true
}

// served reports whether clients are really accepted: none waits in an
// accept queue, and the dispatcher is there.
func served(c *Case) bool {
	for _, p := range c.Ports {
		if v, ok := p.AcceptQueue.Value(); ok && v >= 1 && steadily(p.AcceptQueue, 1, 20*time.Second) {
			return false
		}
	}
	for _, in := range c.Instances {
		if n, ok := in.Dispatcher.Count.Value(); ok && n == 0 {
			return false
		}
		if _, text := stuckProcesses(c.Facts.Processes(in.Name), mta.RoleDispatcher); text != "" {
			return false
		}
	}
	return true
}
