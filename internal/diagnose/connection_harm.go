package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// harm is what connections do to the mail beside being many.
type harm struct {
	worst    mta.Severity // info: none
	evidence []mta.Evidence
	unhurt   []string // what was looked at and is well
}

func (h *harm) add(s mta.Severity, e mta.Evidence) {
	h.worst = max(h.worst, s)
	h.evidence = append(h.evidence, e)
}

// portHarm looks for harm at one port: connections that wait or are refused,
// servers used up, less mail accepted, more refused.
func portHarm(c *Case, p *Port) harm {
	h := harm{worst: mta.SeverityInfo}
	queueHarm(c, p, &h)
	in := c.instance(p.Instance)
	if in == nil {
		return h
	}
	if limit, ok := processLimit(c, in); ok {
		if n, known := in.SMTPServers.Value(); known && n >= 0.9*limit {
			h.add(mta.SeverityWarning, reading(in.SMTPServers, seriesOf("mta_processes", "instance", in.Name, "role", mta.RoleSMTPServer.String()),
				amountOf(n, "SMTP server process")+" of at most "+amount(limit)))
		} else if known {
			h.unhurt = append(h.unhurt, "SMTP server processes: "+amount(n)+" of at most "+amount(limit)+" are in use")
		}
	}
	if hindered(in) {
		h.add(mta.SeverityCritical, arrivalsFell(in))
	} else if want, ok := in.Arrivals.Expected(5 * time.Minute); ok && want >= 5 {
		h.unhurt = append(h.unhurt, "mail is accepted as usual")
	}
	if in.Rejects.Up().Strange() {
		n, _ := in.Rejects.Value()
		h.add(mta.SeverityWarning, reading(in.Rejects, seriesOf("mta_rejects_total", "instance", in.Name), amount(n)+" refusals in the last minute"))
	}
	return h
}

// queueHarm looks at the port's accept queue.
func queueHarm(c *Case, p *Port, h *harm) {
	length, ok := p.AcceptQueue.Value()
	limit, limited := p.AcceptLimit.Value()
	if !ok {
		return
	}
	text := amountOf(length, "connection") + " to port " + p.Port + " not yet accepted by any process"
	if limited && limit > 0 {
		text += " (room for " + amount(limit) + ")"
	}
	series := seriesOf("mta_accept_queue_length", "instance", p.Instance, "port", p.Port)
	switch {
	case limited && limit > 0 && length >= limit:
		h.add(mta.SeverityCritical, reading(p.AcceptQueue, series, text))
		if _, n, known := c.Overflows.Sum(time.Minute); known && n > 0 {
			h.add(mta.SeverityCritical, fact(amountOf(n, "connection")+" refused by the kernel in the last minute because the accept queue was full"))
		}
	case limited && limit > 0 && length >= 0.5*limit, length >= 5 && p.AcceptQueue.Up().Strange():
		h.add(mta.SeverityWarning, reading(p.AcceptQueue, series, text))
	case length == 0:
		h.unhurt = append(h.unhurt, "no connection waits to be accepted")
	}
}

// hindered reports whether less than half of the usual mail comes in. A few
// messages an hour cannot tell.
func hindered(in *Instance) bool {
	for _, d := range [...]time.Duration{time.Minute, 5 * time.Minute} {
		_, n, ok := in.Arrivals.Sum(d)
		want, known := in.Arrivals.Expected(d)
		if ok && known && want >= 10 && n < 0.5*want && (in.Arrivals.Down().Noted() || in.Arrivals.Silent().Noted()) {
			return true
		}
	}
	return false
}

func arrivalsFell(in *Instance) mta.Evidence {
	n, _ := in.Arrivals.Value()
	return reading(in.Arrivals, seriesOf("mta_received_messages_total", "instance", in.Name), amountOf(n, "message")+" accepted in the last minute")
}

// processLimit gives how many SMTP servers the instance may have at once.
func processLimit(c *Case, in *Instance) (float64, bool) {
	v, ok := c.Facts.Limit(in.Name, "process_limit")
	return v, ok && v > 0
}

// instance gives the instance of that name; nil when there is none.
func (c *Case) instance(name string) *Instance {
	for _, in := range c.Instances {
		if in.Name == name {
			return in
		}
	}
	return nil
}

// steadily reports whether a Gauge has been at least v throughout d.
func steadily(g *detect.Signal, v float64, d time.Duration) bool {
	least, ok := g.Least(d)
	return ok && least >= v
}

// connected gives the connections of a port that a client has really
// opened: without those half open.
func connected(p *Port) (float64, bool) {
	n, ok := p.Current.Value()
	return max(0, n-valueOrZero(p.States["syn-recv"])), ok
}
