package tui

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/say"
	"github.com/mtawatch/mtawatch/internal/view"
)

// sign is one vital sign of an instance, ready to be shown.
type sign struct {
	kind    mta.Sign
	name    string
	short   string // now, in few columns
	now     string
	normal  string
	value   float64     // now, NaN when unknown
	usual   *view.Range // of value
	verdict view.Verdict
	word    string   // the verdict, or what stands in its place
	lines   []string // more of it, the most telling first
	up      *line
	down    *line // drawn downwards; nil for none
}

// onHold names queues that are not part of what waits, nor of what is normal for that.
func onHold(queue string) bool { return queue == "hold" || queue == "held" }

// waiting counts the messages that wait but for those on hold; NaN when
// unknown.
func waiting(q view.QueueStatus) float64 {
	if q.Messages == nil || q.Unknown != "" {
		return math.NaN()
	}
	n := *q.Messages
	for _, c := range q.Queues {
		if onHold(c.Name) {
			n -= c.Messages
		}
	}
	return float64(n)
}

// connections adds up the open connections of all ports, and what is normal for
// them where that is known of each.
func connections(c view.ConnectionStatus) (float64, *view.Range) {
	if c.Unknown != "" {
		return math.NaN(), nil
	}
	n, sum, known := 0, view.Range{}, len(c.Ports) > 0
	for _, p := range c.Ports {
		n += say.LiveSockets(p)
		if p.Normal == nil {
			known = false
			continue
		}
		sum.Low, sum.High, sum.Time = sum.Low+p.Normal.Low, sum.High+p.Normal.High, p.Normal.Time
	}
	if !known {
		return float64(n), nil
	}
	return float64(n), &sum
}

func processes(p view.ProcessStatus) float64 {
	if p.Unknown != "" || p.Roles == nil {
		return math.NaN()
	}
	n := 0
	for _, count := range p.Roles {
		n += count
	}
	return float64(n)
}

// normalAttempts gives what is normal a minute for what is sent, and for all
// that is not.
func normalAttempts(n *view.NormalFailures) (sent, failed *view.Range) {
	if n == nil {
		return nil, nil
	}
	for status, r := range n.Attempts {
		if status == mta.StatusSent.String() {
			sent = &r
			continue
		}
		if failed == nil {
			failed = &view.Range{}
		}
		failed.Low, failed.High = failed.Low+r.Low, failed.High+r.High
	}
	return sent, failed
}

// signs gives the four signs of an instance in their order.
func signs(s *view.Status, in *view.InstanceStatus, p *past) []sign {
	list := []sign{queueSign(s.Time, in, p), failureSign(s.Time, in, p), connectionSign(in, p), daemonSign(in, p)}
	for i := range list {
		list[i].judge(s, in)
	}
	return list
}

// judge gives a sign its word: that of the worst open finding about it; unknown gives way only to what is
// known to be wrong.
func (g *sign) judge(s *view.Status, in *view.InstanceStatus) {
	unknown := map[mta.Sign]string{mta.SignQueues: in.Queue.Unknown, mta.SignFailures: in.Failures.Unknown,
		mta.SignConnections: in.Connections.Unknown, mta.SignDaemons: in.Processes.Unknown}[g.kind]
	if unknown != "" {
		g.lines = append([]string{unknown}, g.lines...)
	}
	g.verdict = view.VerdictOK
	if unknown != "" || strings.HasPrefix(g.now, unknownWord) {
		g.verdict = view.VerdictUnknown
	}
	for i := range s.Findings {
		g.worsen(&s.Findings[i], in.Name)
		for k := range s.Findings[i].Folded {
			g.worsen(&s.Findings[i].Folded[k], in.Name)
		}
	}
	if g.kind == mta.SignDaemons && len(in.Processes.Missing) > 0 {
		g.verdict = view.VerdictCritical
	}
	g.word = say.Verdict(g.verdict)
	switch {
	case g.verdict != view.VerdictOK:
	case !s.Judged:
		g.word = "not judged"
	case g.usual != nil && g.value > math.Ceil(g.usual.High-1e-9): // as the range is shown
		g.word = "above normal"
	case g.usual != nil && g.value < math.Floor(g.usual.Low+1e-9):
		g.word = "below normal"
	}
	if g.normal == "" {
		g.normal = "what is normal is not known yet"
		if !s.Judged {
			g.normal = "what is normal only a daemon knows"
		}
	}
}

// worsen takes a finding, if it is about the sign.
func (g *sign) worsen(f *mta.Finding, instance string) {
	if f.Code.Sign() != g.kind || f.Instance != "" && f.Instance != instance {
		return
	}
	switch {
	case f.Severity == mta.SeverityCritical:
		g.verdict = view.VerdictCritical
	case f.Severity == mta.SeverityWarning && g.verdict != view.VerdictCritical:
		g.verdict = view.VerdictWarning
	}
}

// unknownWord begins what stands in place of a figure that is not known.
const unknownWord = "unknown"

// figure gives a number, or says that it is unknown.
func figure(v float64) string {
	if math.IsNaN(v) {
		return unknownWord
	}
	return say.Level(v)
}

func queueSign(now time.Time, in *view.InstanceStatus, p *past) sign {
	q := in.Queue
	g := sign{kind: mta.SignQueues, name: "queue", now: unknownWord, short: unknownWord, up: &p.queue}
	if q.Messages == nil {
		if q.Unknown == "" {
			g.now = "unknown: not counted yet"
		}
		return g
	}
	g.short, g.value, g.usual = say.Count(*q.Messages), waiting(q), q.Normal
	g.now = say.Plural(*q.Messages, "message")
	if q.Bytes != nil && *q.Messages > 0 {
		g.now += ", " + say.Bytes(*q.Bytes)
	}
	if q.Normal != nil {
		g.normal = "normal " + say.Hour(now, q.Normal) + ": " + say.Counts(*q.Normal)
	}
	if oldest, name := say.Oldest(q.Queues); !oldest.IsZero() {
		g.lines = append(g.lines, fmt.Sprintf("oldest %s, in %s", say.Age(now, oldest), name))
	}
	counts := map[string]int64{}
	for _, c := range q.Queues {
		counts[c.Name] += c.Messages
	}
	if text := say.Top(counts, 6); text != "" {
		g.lines = append(g.lines, text)
	}
	return g
}

func failureSign(now time.Time, in *view.InstanceStatus, p *past) sign {
	g := sign{kind: mta.SignFailures, name: "failures", now: unknownWord, short: unknownWord, up: &p.sent, down: &p.failed}
	f := in.Failures
	if f.Unknown != "" || f.Attempts == nil {
		return g
	}
	sent, failed := aMinute(f)
	g.now = fmt.Sprintf("%s sent, %s failed a minute", figure(sent), figure(failed))
	g.short = fmt.Sprintf("%s/%s min", figure(sent), figure(failed))
	if math.IsNaN(sent) { // the last minute is not known yet
		s, d := attempts(f)
		g.now = fmt.Sprintf("%d sent, %d failed since %s", s, d, cmp.Or(say.Clock(now, f.Since), unknownWord))
		g.short = fmt.Sprintf("%d/%d h", s, d)
	}
	if s, d := p.normalAttempts(f.Normal); s != nil {
		g.value, g.usual = sent, s
		if d != nil && failed > d.High { // more than usual that fails tells more than what is sent
			g.value, g.usual = failed, d
		}
		g.normal = "normal: " + say.Counts(*s) + " sent"
		if d != nil {
			g.normal += ", " + say.Counts(*d) + " failed"
		}
	}
	if text := say.Top(f.Causes, 4); text != "" {
		g.lines = append(g.lines, "why: "+text)
	}
	if list := say.Failures(now, *in); len(list) > 0 {
		g.lines = append(g.lines, list[0])
	}
	return g
}

func connectionSign(in *view.InstanceStatus, p *past) sign {
	g := sign{kind: mta.SignConnections, name: "connections", now: unknownWord, short: unknownWord, up: &p.connections}
	c := in.Connections
	n, normal := p.open(c)
	if math.IsNaN(n) {
		return g
	}
	g.short, g.value, g.usual = say.Count(int64(n)), n, normal
	g.now = say.Plural(int64(n), "connection")
	if normal != nil {
		g.normal = "normal: " + say.Counts(*normal)
	}
	sources := 0
	for _, row := range c.Ports {
		sources += row.Sources
		g.lines = append(g.lines, say.Port(row))
	}
	if sources > 0 && len(c.Ports) == 1 {
		g.now += " from " + say.Plural(int64(sources), "address")
	}
	if len(c.Ports) == 0 {
		g.now, g.short = "unknown: no port to watch", unknownWord
	}
	return g
}

func daemonSign(in *view.InstanceStatus, p *past) sign {
	g := sign{kind: mta.SignDaemons, name: "daemons", now: unknownWord, short: unknownWord, up: &p.processes}
	n := processes(in.Processes)
	if math.IsNaN(n) {
		return g
	}
	g.short = say.Count(int64(n))
	g.now = say.Plural(int64(n), "process")
	g.normal = "all that must run do"
	var wrong []string
	for _, w := range [...]struct {
		word  string
		roles []string
	}{{"missing: ", in.Processes.Missing}, {"stopped: ", in.Processes.Stopped}} {
		if len(w.roles) > 0 {
			wrong = append(wrong, w.word+strings.Join(w.roles, ", "))
		}
	}
	if len(wrong) > 0 {
		g.normal = strings.Join(wrong, "; ")
	}
	g.lines = append(g.lines, say.Processes(in.Processes)...)
	return g
}
