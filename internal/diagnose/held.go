package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// OnHold reports whether a queue is of mail that nobody will deliver until
// somebody decides: "hold", and "held" of messages that stand so in others.
func OnHold(queue string) bool { return queue == "hold" || queue == "held" }

// mailHeld finds more mail on hold than usual: nobody will deliver it until
// somebody decides.
func mailHeld(c *Case, in *Instance) []Candidate {
	if q := queueNamed(in, "held"); q != nil {
		return heldElsewhere(c, in, q) // what stands in the channel hold was put there
	}
	q := queueNamed(in, "hold")
	if q == nil {
		return nil
	}
	n, ok := q.Messages.Value()
	r, usual := q.Messages.Up(), q.Messages.Range()
	if !ok || usual.LearnedFrom < enoughPast || !r.Noted() || n < 2*usual.Middle+5 || n <= usual.High {
		return nil
	}
	k := Candidate{Need: 2 * time.Minute, Clear: 5 * time.Minute, Family: "hold", Rank: RankGrowth}
	k.Code, k.Instance, k.Subject = mta.FindingMailHeld, in.Name, q.Name
	k.Severity, k.Confidence, k.Score = mta.SeverityInfo, 0.85, score(r)
	if r.Strange() && n >= 10*usual.Middle && (n >= 100 || heldMuch(in, q)) {
		k.Severity = mta.SeverityWarning
	}
	k.Since = sinceOr(q.Messages.Since(r), c.Now)
	k.Title = amountOf(n, "message") + " on hold" + onHost(in.Name) + " (normal for now is " + amount(usual.Low) + "-" + amount(usual.High) + ")"
	k.Cause = "a rule, a filter or a person has put mail on hold; it waits there until somebody releases or deletes it."
	k.Evidence = []mta.Evidence{reading(q.Messages, seriesOf("mta_queue_messages", "instance", in.Name, "queue", q.Name), amountOf(n, "message")+" on hold")}
	k.Explain = func(m *mta.Finding) {
		if texts := lines(c.Facts.Warnings(in.Name, c.Now.Add(-time.Hour)), 3, func(w *Warning) bool { return contains(w.Text, "hold", "HOLD", "quarantine") }); len(texts) > 0 {
			m.Evidence = append(m.Evidence, mta.Evidence{Text: "what the mail server says", Lines: texts})
		}
		m.Advice = append(m.Advice, "see what it is: `mtawatch queue`; the log line of the arrival names the rule that held it")
		switch software(c, in.Name) {
		case "postfix":
			m.Advice = append(m.Advice, "list them: `postqueue -p | grep '^[0-9A-Za-z]*!'`; read one: `postcat -vq ID`; release one: `postsuper -H ID`; delete one: `postsuper -d ID`")
		case "exim":
			m.Advice = append(m.Advice, "list frozen mail: `exim -bp | grep frozen`; read one: `exim -Mvh ID`; thaw one: `exim -Mt ID`; remove one: `exim -Mrm ID`")
		case "sendmail":
			m.Advice = append(m.Advice, "list quarantined mail: `mailq -qQ`; release: `sendmail -Q -qI ID`")
		case "opensmtpd":
			m.Advice = append(m.Advice, "let it go: `smtpctl resume mta`, `smtpctl resume mda`; one envelope: `smtpctl resume envelope ID`")
		}
		m.Avoid = append(m.Avoid, "do not release all at once: what was held for a reason (spam of a compromised account) would go out")
	}
	return []Candidate{k}
}

// heldMuch reports whether a good part of the mail that usually comes in
// goes on hold: then few messages are many.
func heldMuch(in *Instance, q *Queue) bool {
	n, _ := q.Messages.Value()
	for _, d := range [...]time.Duration{30 * time.Minute, time.Hour, 3 * time.Hour} {
		before, ok := q.Messages.Ago(d)
		want, known := in.Arrivals.Expected(d)
		if ok && known && n-before >= 10 && n-before >= 0.3*want {
			return true
		}
	}
	return false
}
