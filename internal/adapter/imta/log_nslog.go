package imta

import (
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// nslog is a line of the daemons' own logs.
type nslog struct {
	time     time.Time
	host     string
	program  string
	pid      int32
	severity mta.Severity // SeverityNone: none was named
	quiet    bool         // of a level that tells nothing on its own
	text     string
}

// parseNSLOG reads a line of dispatcher.log-*, job_controller.log-*, imta and
// their like:
//
//	06/Oct/2026:00:24:03 +0200 host program[pid]: category level: text
//
// The time may stand in square brackets.
func (p *parser) parseNSLOG(dst []mta.Event, s string) ([]mta.Event, error) {
	var l nslog
	rest, ok := p.cutNSTime(&l.time, s)
	if !ok {
		return dst, adapter.Malformed("time", s)
	}
	i := strings.IndexByte(rest, ' ')
	if i <= 0 {
		return dst, adapter.Malformed("host", rest)
	}
	l.host, rest = rest[:i], rest[i+1:]
	i = strings.IndexByte(rest, '[')
	if i <= 0 || strings.IndexByte(rest[:i], ' ') >= 0 {
		return dst, adapter.Malformed("program", rest)
	}
	l.program = rest[:i]
	n, after := number(rest[i+1:], 9)
	if !strings.HasPrefix(after, "]: ") {
		return dst, adapter.Malformed("process id", rest[i:])
	}
	l.pid = int32(n)
	l.setLevel(after[len("]: "):])
	return p.daemonLine(dst, &l)
}

// cutNSTime reads "06/Oct/2026:00:24:03 +0200 ".
func (p *parser) cutNSTime(t *time.Time, s string) (rest string, ok bool) {
	const size = len("06/Oct/2026:00:24:03 +0200")
	bracket := s[0] == '['
	if bracket {
		s = s[1:]
	}
	if len(s) < size+1 || s[2] != '/' || s[6] != '/' || s[11] != ':' || s[20] != ' ' {
		return s, false
	}
	d, a := number(s[:2], 2)
	y, b := number(s[7:11], 4)
	m := month(s[3:6])
	offset, rest, ok := cutZone(s[21:])
	if a+b != "" || m == 0 || !ok || len(s)-len(rest) != size {
		return s, false
	}
	utc := stamps{loc: time.UTC}
	if !utc.clock(t, y, m, d, s[12:20]) {
		return s, false
	}
	*t = t.Add(-time.Duration(offset) * time.Second).In(p.stamps.loc)
	if bracket {
		rest, ok = strings.CutPrefix(rest, "]")
	}
	if rest == "" || rest[0] != ' ' {
		return s, false
	}
	return rest[1:], ok
}

// setLevel cuts "category level: " from the begin of a text.
func (l *nslog) setLevel(s string) {
	l.text = s
	i := strings.Index(s, ": ")
	if i < 0 {
		return
	}
	category, level, ok := strings.Cut(s[:i], " ")
	if !ok || category == "" {
		return
	}
	switch level {
	case "Critical", "Emergency", "Alert":
		l.severity = mta.SeverityFatal
	case "Error":
		l.severity = mta.SeverityError
	case "Warning":
		l.severity = mta.SeverityWarning
	case "Notice":
		l.severity = mta.SeverityInfo
	case "Information", "Informational", "Info", "Debug":
		l.quiet = true
	default:
		return
	}
	l.text = s[i+len(": "):]
}

// A daemonText is a text by which a daemon tells what has become of a
// process. The table is what the practice MTA writes, and what the vendor's
// watcher is remembered to write; no list of the vendor's texts is public.
//
// In front of the words may stand whom they are about: "Watched 'NAME' process PID",
// "NAME server", "NAME process PID", "process NAME PID", "service NAME".
// Without such, a text is about the program that wrote it.
type daemonText struct {
	words  string // "*" stands for anything
	action mta.Action
}

var daemonTexts = [...]daemonText{
	{"exited abnormally", mta.ActionKilled},     // Watched 'imapd' process 13428 exited abnormally
	{"terminated abnormally", mta.ActionKilled}, //
	{"killed by signal", mta.ActionKilled},      // process tcp_smtp_server 4711 killed by signal 9
	{"process limit reached", mta.ActionLimit},  // service SMTP process limit reached: 5 processes of 20 connections
	{"all processes busy", mta.ActionLimit},     // service SMTP all processes busy
	{"throttled", mta.ActionThrottled},          // process tcp_smtp_client 4712 throttled: it ends as soon as it is started
	{"restarting too often", mta.ActionThrottled},
	{"reloaded", mta.ActionReloaded},         // configuration reloaded
	{"started", mta.ActionStarted},           // dispatcher started; Watcher process 13425 started at ...; process tcp_smtp_server 4711 started
	{"stopped", mta.ActionStopped},           // dispatcher stopped
	{"shutdown complete", mta.ActionStopped}, //
	{"exited normally", mta.ActionStopped},   // process tcp_smtp_server 4711 exited normally
}

// daemonLine makes the event of a line of a daemon's log.
func (p *parser) daemonLine(dst []mta.Event, l *nslog) ([]mta.Event, error) {
	if l.text == "" {
		return dst, nil
	}
	action, about := l.action()
	if action == mta.ActionNone && l.quiet {
		return dst, nil
	}
	dst, e := mta.Extend(dst)
	e.Time, e.Instance, e.Program, e.PID, e.Text = l.time, p.instance(l.host), l.program, l.pid, l.text
	if action != mta.ActionNone {
		e.Kind, e.Action, e.Daemon, e.Severity = mta.KindDaemon, action, daemonRole(about), l.severity
		return dst, nil
	}
	e.Kind, e.Severity = mta.KindWarning, l.severity
	if e.Severity == mta.SeverityNone {
		e.Severity = mta.SeverityInfo
	}
	return dst, nil
}

// action finds what a text tells of, and of which program.
func (l *nslog) action() (action mta.Action, about string) {
	for i := range daemonTexts {
		d := &daemonTexts[i]
		at := strings.Index(l.text, d.words)
		if at < 0 {
			continue
		}
		if about, ok := subject(l.text[:at], l.program); ok {
			return d.action, about
		}
	}
	return mta.ActionNone, ""
}

// subject gives the program that the words before an action name. ok is false
// when they are another sentence, in which the word only occurs.
func subject(s, program string) (name string, ok bool) {
	var words [5]string
	n := 0
	for w := range strings.FieldsSeq(s) {
		if n == len(words) {
			return "", false
		}
		words[n] = w
		n++
	}
	if n > 0 && isNumber(words[n-1]) {
		n--
	}
	switch {
	case n == 0:
		return program, true
	case n == 1 && words[0] == "configuration":
		return program, true
	case n == 1:
		return words[0], true
	case n == 2 && words[0] == "service":
		return "tcp_smtp_server", true
	case n == 2 && (words[0] == "process" || words[0] == "server"):
		return words[1], true
	case n == 2 && (words[1] == "process" || words[1] == "server"):
		return strings.ToLower(words[0]), true
	case n == 3 && words[0] == "Watched" && words[2] == "process":
		return strings.Trim(words[1], "'"), true
	}
	return "", false
}

func isNumber(s string) bool {
	_, rest, ok := cutNumber(s)
	return ok && rest == ""
}

// daemonRole says what a program does for the MTA.
func daemonRole(program string) mta.Role {
	switch {
	case program == "dispatcher":
		return mta.RoleDispatcher
	case program == "job_controller":
		return mta.RoleJobController
	case program == "tcp_smtp_server", program == "tcp_lmtp_server":
		return mta.RoleSMTPServer
	case program == "tcp_smtp_client", program == "smtp_client", program == "tcp_lmtp_client", strings.HasSuffix(program, "_master"):
		return mta.RoleDelivery
	}
	return mta.RoleOther
}

// undated reports whether a line is one of the watcher's that carry no time.
func undated(s string) bool {
	for _, begin := range [...]string{"Watche", "Received request to ", "Connecting to watcher", "Starting ", "Stopping ", "checking ", "shutting down "} {
		if strings.HasPrefix(s, begin) {
			return true
		}
	}
	return strings.HasSuffix(s, " server is not running")
}
