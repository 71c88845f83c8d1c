package imta

import (
	"errors"
	"strings"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/syslog"
)

// parseSyslog reads a record behind a syslog header, as a site has them that
// sets LOG_MESSAGES_SYSLOG. The record may carry its own time, which is then
// the more exact, or begin with what follows it. Under a program's name that is none of
// the MTA's only what can be nothing else is a record.
func (p *parser) parseSyslog(dst []mta.Event, line adapter.Line) ([]mta.Event, error) {
	var h syslog.Header
	if !p.heads.Parse(&h, line.Text, line.Ref) || h.Message == "" {
		if undated(line.Text) {
			return dst, nil
		}
		return dst, adapter.ErrUnknownLine
	}
	s, ours := strings.TrimLeft(h.Message, " "), p.ownTag(h.Tag)
	switch {
	case s == "":
		return dst, nil
	case s[0] == '<' && (strings.HasPrefix(s, "<en ") || strings.HasPrefix(s, "<co ") || strings.HasPrefix(s, "<he ")):
		return p.parseXML(dst, s, h.Time)
	case s[0] == '{' && ours:
		return p.parseJSON(dst, s, h.Time)
	case len(s) > 3 && digit(s[0]) && (s[2] == '-' || s[1] == '-'):
		if dst, err := p.parseText(dst, s); err == nil || ours {
			return dst, err
		}
		return dst, nil
	case !ours:
		return dst, nil
	}
	p.rec = record{time: h.Time}
	if err := p.rec.readText(s); err != nil {
		if errors.Is(err, adapter.ErrUnknownLine) {
			return p.syslogDaemon(dst, &nslog{time: h.Time, host: h.Host, program: h.Tag, pid: h.PID, text: s})
		}
		return dst, err
	}
	return p.event(dst, h.Tag)
}

// syslogDaemon reads a text of the MTA in syslog that is no record.
func (p *parser) syslogDaemon(dst []mta.Event, l *nslog) ([]mta.Event, error) {
	if action, _ := l.action(); action == mta.ActionNone && !isDaemon(l.program) {
		return dst, adapter.ErrUnknownLine
	}
	return p.daemonLine(dst, l)
}

// isDaemon reports whether a program is one of the MTA's daemons, by a name
// that no other server's programs have.
func isDaemon(program string) bool {
	switch program {
	case "dispatcher", "job_controller", "tcp_smtp_server", "tcp_smtp_client", "tcp_lmtp_server", "tcp_lmtp_client", "ims_master", "watcher", "msprobe":
		return true
	}
	return false
}

// ownTag reports whether a program's name in a syslog header is one of the MTA's.
func (p *parser) ownTag(tag string) bool {
	switch tag {
	case "":
		return false
	case "imta", "pmdf", "mta":
		return true
	}
	if isDaemon(tag) {
		return true
	}
	for _, in := range p.names {
		if in.name == tag {
			return true
		}
		for _, l := range in.logs {
			if l == tag {
				return true
			}
		}
	}
	return false
}
