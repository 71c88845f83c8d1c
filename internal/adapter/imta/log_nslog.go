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

// A daemonText is how a daemon tells what has become of a process. No list of
// the vendor's texts is public: these are what the practice MTA writes, and
// what the vendor's watcher is remembered to write. A text begins with the words, in any case;
// signs at the end of a word do not count. "*" stands for one word, "@" for the program that it
// is about.
type daemonText struct {
	words  string
	action mta.Action
	about  string // the program, where "@" does not name it; "": the one that wrote the line
}

const smtpServer = "tcp_smtp_server"

var daemonTexts = [...]daemonText{
	{"@ started", mta.ActionStarted, ""}, // Dispatcher started, 8.1
	{"@ stopped", mta.ActionStopped, ""},
	{"@ ended", mta.ActionStopped, ""},
	{"configuration read", mta.ActionReloaded, ""},
	{"configuration reloaded", mta.ActionReloaded, ""},

	{"service * started process", mta.ActionStarted, smtpServer},    // service SMTP: started process 4711, 1 of 5
	{"service * process * ended", mta.ActionStopped, smtpServer},    // service SMTP: process 4711 ended (MAX_LIFE_TIME), 100 connections in 1h0m0s
	{"service * process * died", mta.ActionKilled, smtpServer},      // service SMTP: process 4711 died: signal: killed; 1 connections lost
	{"service * limit reached", mta.ActionLimit, smtpServer},        // service SMTP: limit reached: 5 processes (MAX_PROCS) hold 100 connections
	{"process @ * started", mta.ActionStarted, ""},                  // process tcp_smtp_client 4712 started
	{"process @ * ended", mta.ActionStopped, ""},                    //
	{"process @ * died", mta.ActionKilled, ""},                      // process tcp_smtp_client 4712 died: signal: killed
	{"process @ * killed by signal", mta.ActionKilled, ""},          //
	{"process @ * throttled", mta.ActionThrottled, ""},              // process tcp_smtp_client 4712 throttled: it ends as soon as it is started
	{"watched @ process * exited abnormally", mta.ActionKilled, ""}, // Watched 'imapd' process 4713 exited abnormally
	{"watcher process * started", mta.ActionStarted, "watcher"},     // Watcher process 4714 started at Tue Oct 21 15:29:44 2025
	{"starting @ server", mta.ActionStarted, ""},                    // Starting job_controller server .... 4715
	{"stopping @ server", mta.ActionStopped, ""},
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
		name, ok := matchWords(l.text, d.words)
		switch {
		case !ok || d.words[0] == '@' && daemonRole(name) == mta.RoleOther:
			continue
		case d.about != "":
			name = d.about
		case name == "":
			name = l.program
		}
		return d.action, name
	}
	return mta.ActionNone, ""
}

// matchWords reports whether text begins with words, and gives the word for "@".
func matchWords(text, words string) (name string, ok bool) {
	for words != "" {
		var want, have string
		want, words, _ = strings.Cut(words, " ")
		have, text, _ = strings.Cut(text, " ")
		have = strings.Trim(have, ",:;.'")
		switch {
		case have == "":
			return "", false
		case want == "@":
			name = have
		case want != "*" && !strings.EqualFold(want, have):
			return "", false
		}
	}
	return name, true
}

// daemonRole says what a program does for the MTA.
func daemonRole(program string) mta.Role {
	switch program {
	case "dispatcher", "Dispatcher":
		return mta.RoleDispatcher
	case "job_controller", "Job_controller":
		return mta.RoleJobController
	case smtpServer, "tcp_lmtp_server":
		return mta.RoleSMTPServer
	case "tcp_smtp_client", "smtp_client", "tcp_lmtp_client":
		return mta.RoleDelivery
	}
	if strings.HasSuffix(program, "_master") {
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
