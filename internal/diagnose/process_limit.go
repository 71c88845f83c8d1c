package diagnose

import (
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// processLimitRule finds that all server processes that may run are taken, so
// that new clients wait without a greeting.
func processLimitRule() Rule {
	return Rule{
		Codes: []mta.FindingCode{mta.FindingProcessLimitReached},
		Judge: func(c *Case) []Candidate {
			var list []Candidate
			for _, in := range c.Instances {
				if k, ok := capacityUsedUp(c, in); ok {
					list = append(list, k)
				} else if k, ok := serversUsedUp(c, in); ok {
					list = append(list, k)
				}
				list = append(list, innerLimits(c, in)...)
			}
			return list
		},
	}
}

// limitWarning is what Postfix's master says of a service.
const limitWarning = "has reached its process limit"

// limitStands is for how long such a warning is taken for now: it is given
// once, not as long as it holds.
const limitStands = 2 * time.Minute

// serversUsedUp judges the SMTP servers of an instance.
func serversUsedUp(c *Case, in *Instance) (Candidate, bool) {
	if _, _, ok := sessions(in); ok {
		return Candidate{}, false // a process holds many sessions: how many there are tells nothing
	}
	n, known := in.SMTPServers.Value()
	limit, limited := processLimit(c, in)
	_, waits := waitingClients(in)
	warned := limitWarned(c, in)
	near := limited && known && n >= 0.95*limit
	flat := known && atTop(in, n) && waits
	switch {
	case near && (waits || warned != nil):
	case !limited && flat:
	case warned != nil && (waits || !known || !limited || near):
	case near && n >= 5 && steadily(in.SMTPServers, n, 2*time.Minute):
	default:
		return Candidate{}, false
	}
	k := usedUp(in)
	k.Severity, k.Confidence = mta.SeverityWarning, 0.8
	switch {
	case waits:
		k.Severity, k.Confidence = mta.SeverityCritical, 0.9
	case warned == nil:
		k.Severity, k.Confidence = mta.SeverityInfo, 0.7
	}
	k.Since = sinceOr(in.SMTPServers.Since(in.SMTPServers.Up()), c.Now)
	k.Score = score(in.SMTPServers.Up())
	if warned != nil {
		k.Since, k.Confidence, k.Rank = sinceOr(warned.Time, k.Since), 0.95, RankDirect
		k.Evidence = append(k.Evidence, mta.Evidence{Text: "the mail server says so itself", Lines: lines([]Warning{*warned}, 1, func(*Warning) bool { return true })})
	}
	k.Title, k.Cause = usedUpWords(in, n, known, limit, limited)
	if known {
		k.Evidence = append(k.Evidence, reading(in.SMTPServers, seriesOf("mta_processes", "instance", in.Name, "role", mta.RoleSMTPServer.String()), amountOf(n, "SMTP server process")))
	}
	usedUpHarm(c, in, &k)
	return k, true
}

// usedUp begins the finding that no server process, or no session of one, is
// left for another client.
func usedUp(in *Instance) Candidate {
	k := Candidate{Need: 8 * time.Second, Clear: 2 * time.Minute, Family: "process-limit|" + in.Name, Rank: RankContradiction}
	k.Code, k.Instance, k.Subject = mta.FindingProcessLimitReached, in.Name, mta.RoleSMTPServer.String()
	k.DependsOn = []mta.FindingCode{mta.FindingFloodOneSource, mta.FindingFloodManySources, mta.FindingDispatcherDown, mta.FindingOwnDNSDead,
		mta.FindingOwnResourceFailing, mta.FindingCloseWaitLeak}
	return k
}

// usedUpHarm adds what it does to clients, and what to do.
func usedUpHarm(c *Case, in *Instance, k *Candidate) {
	if waiting, waits := waitingClients(in); waits {
		k.Evidence = append(k.Evidence, fact(amountOf(waiting, "connection")+" not accepted yet: those clients see no greeting"))
	}
	if hindered(in) {
		k.Severity = mta.SeverityCritical
		k.Evidence = append(k.Evidence, arrivalsFell(in))
	}
	k.Explain = func(m *mta.Finding) { explainUsedUp(c, in, m) }
}

func usedUpWords(in *Instance, n float64, known bool, limit float64, limited bool) (title, cause string) {
	title = "all SMTP server processes" + whose(in.Name) + " are taken"
	switch {
	case limited && known:
		title += ": " + amount(n) + " of at most " + amount(limit)
	case known:
		title += ": " + amount(n)
	}
	cause = "more clients hold a session than server processes may run; new ones connect and wait."
	for _, p := range in.Ports {
		open, ok := connected(p)
		opened, counted := p.Opened.Value()
		if ok && counted && open >= 10 && opened < 0.5*open && hindered(in) {
			return title, "clients hold their sessions open and send no mail (slow-loris): " + amountOf(open, "connection") + " open, " + amount(opened) + " new in the last minute."
		}
	}
	return title, cause
}

// atTop reports whether the SMTP servers stand still, well above what there
// has been: the shape of a limit, seen from outside.
func atTop(in *Instance, n float64) bool {
	if n < 5 || !steadily(in.SMTPServers, n, 2*time.Minute) {
		return false
	}
	if two, ok := in.SMTPServers.Ago(2 * time.Minute); !ok || two > n {
		return false
	}
	top, ok := highest(in.SMTPServers, 5*time.Minute)
	usual, known := middle(in.SMTPServers)
	if !known {
		usual, known = typical(in.SMTPServers)
	}
	return ok && n >= top && known && n >= 1.2*usual // a pool of fixed size tells nothing
}

// waitingClients counts the connections that no process has accepted, when
// some have been waiting for half a minute.
func waitingClients(in *Instance) (n float64, ok bool) {
	for _, p := range in.Ports {
		if v, known := p.AcceptQueue.Value(); known && v >= 1 && steadily(p.AcceptQueue, 1, 20*time.Second) {
			n, ok = n+v, true
		}
	}
	return n, ok
}

// limitWarned gives the newest warning that an SMTP service is at its limit.
func limitWarned(c *Case, in *Instance) *Warning {
	since := c.Now.Add(-30 * time.Minute)
	ws := c.Facts.Warnings(in.Name, since)
	for i := len(ws) - 1; i >= 0; i-- {
		w := &ws[i]
		if w.Time.Before(since) || !strings.Contains(w.Text, limitWarning) || innerService(w.Text) != "" {
			continue
		}
		limit, limited := processLimit(c, in)
		n, known := in.SMTPServers.Value()
		if c.Now.Sub(w.Time) <= limitStands || limited && known && n >= 0.9*limit {
			return w
		}
		return nil
	}
	return nil
}

// innerService gives the service of a limit warning when it is one inside the
// mail server (its place is a path), "" for one that listens on the network.
func innerService(text string) string {
	_, rest, ok := strings.Cut(text, "service \"")
	name, rest, ok2 := strings.Cut(rest, "\" (")
	place, _, ok3 := strings.Cut(rest, ")")
	if ok && ok2 && ok3 && strings.Contains(place, "/") {
		return cut(name, 40)
	}
	return ""
}

// innerLimits tells of services inside the mail server at their limit.
func innerLimits(c *Case, in *Instance) []Candidate {
	var list []Candidate
	seen := make(map[string]bool)
	ws := c.Facts.Warnings(in.Name, c.Now.Add(-limitStands))
	for i := len(ws) - 1; i >= 0; i-- {
		w := &ws[i]
		if c.Now.Sub(w.Time) > limitStands || !strings.Contains(w.Text, limitWarning) {
			continue
		}
		service := innerService(w.Text)
		if service == "" || seen[service] {
			continue
		}
		seen[service] = true
		k := Candidate{Need: 0, Clear: 10 * time.Minute, Family: "process-limit|" + in.Name + "|" + service, Rank: RankDirect}
		k.Code, k.Instance, k.Subject = mta.FindingProcessLimitReached, in.Name, service
		k.Severity, k.Since, k.Confidence = mta.SeverityWarning, w.Time, 0.9
		k.DependsOn = []mta.FindingCode{mta.FindingFloodOneSource, mta.FindingFloodManySources, mta.FindingOwnDNSDead, mta.FindingOwnResourceFailing, mta.FindingSenderBurst}
		k.Title = "the service " + service + whose(in.Name) + " has all its processes in use"
		k.Cause = "more work arrives for " + service + " than its processes do; mail waits for them inside the mail server."
		k.Evidence = []mta.Evidence{{Text: "the mail server says so itself", Lines: lines(ws[i:i+1], 1, func(*Warning) bool { return true })}}
		k.Advice = []string{"see why its processes take long: disk, filter, lookups; then allow more in the maxproc column of master.cf and `postfix reload`"}
		list = append(list, k)
	}
	return list
}

func explainUsedUp(c *Case, in *Instance, m *mta.Finding) {
	if _, text := stuckProcesses(c.Facts.Processes(in.Name), mta.RoleSMTPServer); text != "" {
		m.Evidence = append(m.Evidence, fact(text))
	}
	if c.SourcesKnown && len(c.Sources) > 0 {
		s := c.Sources[0]
		m.Evidence = append(m.Evidence, fact("the client with most connections is "+s.Address.String()+" with "+amount(float64(s.Count))))
	}
	if in.Dispatcher.Count != nil && valueOrZero(in.Dispatcher.Count) >= 1 {
		m.RuledOut = append(m.RuledOut, "the dispatcher runs")
	}
	m.Advice = append(m.Advice, "see who holds the sessions and how far they are: `mtawatch connections`",
		"if few addresses hold most of them, block those; if every session is slow, look at the content filter, policy service and DNS first")
	switch software(c, in.Name) {
	case "postfix", "":
		m.Advice = append(m.Advice, "if the machine has memory for it, raise the limit: `postconf -F '*/inet/*'` shows the services, `postconf -e default_process_limit=N` or maxproc in master.cf, then `postfix reload`",
			"shorten what an idle client may hold: `postconf smtpd_timeout` (Postfix does so by itself under stress)")
	case "imta":
		m.Advice = append(m.Advice, "raise MAX_PROCS or MAX_CONNS of the service in dispatcher.cnf, then `imsimta restart dispatcher`")
	case "exim":
		m.Advice = append(m.Advice, "raise `smtp_accept_max`, lower `smtp_receive_timeout`, then restart Exim")
	case "sendmail":
		m.Advice = append(m.Advice, "raise confMAX_DAEMON_CHILDREN, lower the confTO_ timeouts, then restart sendmail")
	}
	m.Avoid = append(m.Avoid, "do not raise the limit before you know why sessions last: each process costs memory and a filter connection")
}
