package sim

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// WriteLog writes what a host does from beginning to end as the mail log of a
// Postfix 3.7 under the rsyslog of Debian 12: RFC 3339 stamps with
// microseconds in local time. It gives the host at its end. Each message has
// its own lines: meant for rates up to a few messages a second.
func WriteLog(w io.Writer, cfg Config) (*Host, error) {
	return writeLog(func(time.Time) (io.Writer, error) { return w, nil }, cfg)
}

// writeLog asks for the writer of each line's time.
func writeLog(open func(time.Time) (io.Writer, error), cfg Config) (*Host, error) {
	r := &recorder{open: open}
	cfg.Messages, cfg.record = true, r
	h := New(cfg)
	for range h.Readings() {
		if r.err != nil {
			break
		}
	}
	r.drain(h.at.Add(time.Hour), h.cfg.Location)
	if r.err != nil {
		return nil, fmt.Errorf("write log: %w", r.err)
	}
	return h, nil
}

// recorder writes the log. All methods may be called on nil: then nothing is written.
type recorder struct {
	open  func(time.Time) (io.Writer, error)
	lines []logLine
	text  []byte
	err   error
}

type logLine struct {
	at   time.Time
	text string // from the program on
}

// The pids of the daemons of which there is one, and the first of those of which there are many.
const (
	masterPID  = 812
	managerPID = 815
	pickupPID  = 816
	smtpdPID   = 2000
	cleanupPID = 3000
	smtpPID    = 4000
	bouncePID  = 5000
)

// host is the host's name in the log.
const hostName = "mx1"

// say adds a line.
func (r *recorder) say(h *Host, at time.Time, program string, pid int, text string) {
	if r == nil || h.w.silent {
		return
	}
	if at.Before(h.cfg.Start) {
		at = h.cfg.Start
	}
	r.lines = append(r.lines, logLine{at, "postfix/" + program + "[" + strconv.Itoa(pid) + "]: " + text})
}

// flush writes what no later line can come before.
func (r *recorder) flush(h *Host) {
	if r != nil {
		r.drain(h.at.Add(-2*time.Second), h.cfg.Location)
	}
}

func (r *recorder) drain(until time.Time, loc *time.Location) {
	slices.SortStableFunc(r.lines, func(a, b logLine) int { return a.at.Compare(b.at) })
	n := 0
	for ; n < len(r.lines) && !r.lines[n].at.After(until) && r.err == nil; n++ {
		l := &r.lines[n]
		w, err := r.open(l.at)
		if err == nil {
			r.text = l.at.In(loc).AppendFormat(r.text[:0], "2006-01-02T15:04:05.000000-07:00")
			r.text = append(append(append(r.text, ' '), hostName+" "...), l.text...)
			r.text = append(r.text, '\n')
			_, err = w.Write(r.text)
		}
		r.err = err
	}
	r.lines = slices.Delete(r.lines, 0, n)
}

// somewhere gives a moment within the present step.
func (h *Host) somewhere() time.Time {
	if h.cfg.record == nil {
		return h.at
	}
	return h.at.Add(-time.Duration(h.d.Float64() * float64(h.cfg.Step)))
}

func (c client) String() string { return cmp.Or(c.name, "unknown") + "[" + c.ip + "]" }

// arrival writes how a message came.
func (r *recorder) arrival(h *Host, m *message, c *cohort, held bool) {
	if r == nil {
		return
	}
	at := m.born
	number := int(h.ids % 50)
	if c.pickup && at.Before(h.at.Add(-h.cfg.Step)) {
		at = h.somewhere() // it lay in maildrop
	}
	switch {
	case c.flow == flowNotification:
		r.say(h, at, "cleanup", cleanupPID+number, m.id+": message-id=<"+m.id+"@mx1.example.com>")
		r.say(h, at.Add(2*time.Millisecond), "bounce", bouncePID, m.origin+": sender non-delivery notification: "+m.id)
	case c.pickup:
		r.say(h, at, "pickup", pickupPID, m.id+": uid=1000 from=<"+m.from+">")
		r.say(h, at.Add(3*time.Millisecond), "cleanup", cleanupPID+number, m.id+": message-id=<"+m.id+"@mx1.example.com>")
	default:
		pid, auth, sasl := smtpdPID+number, "", ""
		if m.account != "" {
			auth, sasl = " auth=1", ", sasl_method=PLAIN, sasl_username="+m.account
		}
		r.say(h, at.Add(-60*time.Millisecond), "smtpd", pid, "connect from "+m.client.String())
		r.say(h, at.Add(-20*time.Millisecond), "smtpd", pid, m.id+": client="+m.client.String()+sasl)
		r.say(h, at, "cleanup", cleanupPID+number, m.id+": message-id=<"+m.id+"@"+cmp.Or(m.client.name, "mail.example.org")+">")
		r.say(h, at.Add(40*time.Millisecond), "smtpd", pid, "disconnect from "+m.client.String()+" ehlo=1"+auth+" mail=1 rcpt=1 data=1 quit=1 commands="+strconv.Itoa(5+len(auth)/7))
	}
	if held {
		r.say(h, at.Add(5*time.Millisecond), "cleanup", cleanupPID+number, m.id+": hold: header Subject: invoice from "+m.client.String()+"; from=<"+m.from+"> to=<"+m.to+"> proto=ESMTP helo=<"+cmp.Or(m.client.name, "mail.example.org")+">: kept for review")
	}
	m.last = at.Add(6 * time.Millisecond)
}

// queued writes that the queue manager took a message.
func (r *recorder) queued(h *Host, m *message, c *cohort) {
	if r == nil {
		return
	}
	if start := h.at.Add(-h.cfg.Step); m.last.Before(start) {
		m.last = h.somewhere()
	}
	m.last = m.last.Add(4 * time.Millisecond)
	r.say(h, m.last, "qmgr", managerPID, m.id+": from=<"+m.from+">, size="+strconv.Itoa(m.size)+", nrcpt=1 (queue active)")
}

// attempt writes how a delivery ended.
func (r *recorder) attempt(h *Host, x *destination, m *message, c *cohort, f fate) {
	if r == nil {
		return
	}
	start := h.at.Add(-h.cfg.Step)
	if m.last.Before(start) {
		m.last = start
	}
	took := time.Duration(x.latency * h.d.lognormal(0.4) * float64(time.Second))
	m.last = m.last.Add(max(min(took, h.at.Sub(m.last)), time.Millisecond))
	delay := max(m.last.Sub(m.born).Seconds(), 0.01)
	work := min(delay*0.9, x.latency)
	if f.cause == mta.CauseConnectTimeout && !f.untried {
		work = min(delay*0.9, 30)
	}
	p := answers[f.cause].text(x, m)
	program, relay := "smtp", "mx1."+x.name+"["+x.ip()+"]:25"
	setup := work * 0.4
	if x.local {
		program, relay = "lmtp", "mx1.example.com["+store+"]"
	}
	if p.away {
		relay, setup = "none", work
	}
	if f.untried {
		program, p.reply = "error", "delivery temporarily suspended: "+p.reply
		work, setup = 0, 0
	}
	r.say(h, m.last, program, smtpPID+int(h.ids)%100, fmt.Sprintf("%s: to=<%s>, relay=%s, delay=%s, delays=%s/%s/%s/%s, dsn=%s, status=%s (%s)", m.id, m.to, relay,
		seconds(delay), seconds(max(0, delay-work-0.01)), "0.01", seconds(setup), seconds(work-setup), p.dsn, f.status, p.reply))
}

// expired writes that a message was given up.
func (r *recorder) expired(h *Host, m *message) {
	if r == nil {
		return
	}
	m.last = m.last.Add(time.Millisecond)
	r.say(h, m.last, "qmgr", managerPID, m.id+": from=<"+m.from+">, status=expired, returned to sender")
}

// removed writes that a message left the queue.
func (r *recorder) removed(h *Host, m *message) {
	if r == nil {
		return
	}
	m.last = m.last.Add(2 * time.Millisecond)
	r.say(h, m.last, "qmgr", managerPID, m.id+": removed")
}

// idlers writes visitors that wanted nothing.
func (r *recorder) idlers(h *Host, n int) {
	if r == nil {
		return
	}
	for range n {
		r.lost(h, client{ip: otherAddr(2 * h.d.IntN(250)).String()}, "CONNECT")
	}
}

func (r *recorder) lost(h *Host, c client, after string) {
	at, pid := h.somewhere(), smtpdPID+100+h.d.IntN(100)
	r.say(h, at, "smtpd", pid, "connect from "+c.String())
	r.say(h, at.Add(400*time.Millisecond), "smtpd", pid, "lost connection after "+after+" from "+c.String())
	r.say(h, at.Add(401*time.Millisecond), "smtpd", pid, "disconnect from "+c.String()+" commands=0/0")
}

// attackers writes visitors that mean harm.
func (r *recorder) attackers(h *Host, a *attack, n int) {
	if r == nil {
		return
	}
	for range n {
		c := client{ip: a.from[h.d.IntN(len(a.from))].addr.String()}
		if a.hold > 60 {
			r.say(h, h.somewhere(), "smtpd", smtpdPID+200+h.d.IntN(100), "connect from "+c.String())
			continue
		}
		r.lost(h, c, "EHLO")
	}
}

// refused writes visitors whose mail nobody wants.
func (r *recorder) refused(h *Host, k refusal, n int) {
	if r == nil {
		return
	}
	for range n {
		c := client{ip: otherAddr(2 * h.d.IntN(250)).String()}
		at, pid := h.somewhere(), smtpdPID+100+h.d.IntN(100)
		to := "user" + strconv.Itoa(h.d.IntN(900)) + "@example.com"
		r.say(h, at, "smtpd", pid, "connect from "+c.String())
		r.say(h, at.Add(200*time.Millisecond), "smtpd", pid, "NOQUEUE: reject: "+strings.NewReplacer("%to", to, "%ip", c.ip).Replace(refusalTexts[k]))
		r.say(h, at.Add(300*time.Millisecond), "smtpd", pid, "disconnect from "+c.String()+" ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4")
	}
}

// seconds writes a delay as Postfix does, with two digits that count.
func seconds(v float64) string {
	switch {
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 1:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v < 0.005:
		return "0"
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
