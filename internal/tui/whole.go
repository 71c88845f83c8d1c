package tui

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/say"
	"github.com/mtawatch/mtawatch/internal/view"
)

// sheet gathers what zooming into a row shows: names at the left, texts
// wrapped beside them.
type sheet struct {
	columns int
	rows    []row
}

// nameWidth is the room for names.
const nameWidth = 13

// head writes a title.
func (s *sheet) head(st style, title string) {
	s.rows = append(s.rows, wrap(st, fixed(title), s.columns, 4)...)
	s.rows = append(s.rows, nil)
}

// put writes texts under one name; those that are "" are left out.
func (s *sheet) put(name string, texts ...string) {
	indent := nameWidth
	if s.columns < 4*nameWidth {
		indent = 2
		name += ":"
	}
	for _, t := range texts {
		if strings.TrimSpace(t) == "" {
			continue
		}
		if indent < nameWidth && name != "" {
			s.rows = append(s.rows, text(dim, name))
		}
		for i, r := range wrap(plain, fixed(t), s.columns-indent, 0) {
			label := ""
			if i == 0 && indent == nameWidth {
				label = name
			}
			s.rows = append(s.rows, append(text(dim, label).pad(indent), r...))
		}
		name = ""
	}
}

// gap leaves a line free.
func (s *sheet) gap() { s.rows = append(s.rows, nil) }

func findingWhole(now time.Time, f *mta.Finding, columns int) []row {
	s := &sheet{columns: columns}
	s.head(severityStyle(f.Severity), say.Severity(f.Severity)+": "+f.Title)
	about := f.Instance
	if f.Subject != "" && f.Subject != f.Instance {
		about = strings.TrimPrefix(about+", "+f.Subject, ", ")
	}
	s.put("about", about)
	s.put("since", say.Since(now, f))
	s.put("known", say.Held(now, f))
	s.put("why", f.Cause)
	if f.Reason != mta.CauseNone {
		s.put("cause", f.Reason.String()+", "+say.Scope(f.Reason.Scope()))
	}
	s.gap()
	s.put("to do", f.Advice...)
	s.put("do not", say.WithoutDoNot(f.Avoid)...)
	s.gap()
	var list []string
	for i := range f.Evidence {
		list = append(list, say.Evidence(now, &f.Evidence[i]))
		for _, l := range f.Evidence[i].Lines {
			list = append(list, "| "+l)
		}
	}
	s.put("evidence", list...)
	s.put("ruled out", f.RuledOut...)
	for i := range f.Folded {
		s.put("follows", say.Consequence(now, &f.Folded[i]))
	}
	if f.Confidence > 0 {
		s.put("confidence", fmt.Sprintf("%.0f %%", 100*f.Confidence))
	}
	if f.Score > 0 {
		s.put("rarity", say.Rarity(f.Score))
	}
	s.gap()
	s.put("more", "mtawatch explain "+string(f.Code))
	if f.ID != "" {
		s.put("id", f.ID)
	}
	return s.rows
}

func failureWhole(now time.Time, r view.FailureRow, columns int) []row {
	s := &sheet{columns: columns}
	s.head(bold, r.Destination+": "+r.Cause.String())
	s.put("at fault", say.Scope(r.Scope))
	s.put("in an hour", fmt.Sprintf("%d deferred, %d bounced, %d sent to the same destination", r.Deferred, r.Bounced, r.Sent))
	if r.Normal != nil {
		s.put("usual", say.Counts(*r.Normal)+" failures a minute at this destination, whatever their cause")
	}
	s.put("first seen", say.Clock(now, r.First))
	s.put("last", say.Clock(now, r.Last)+" ("+say.Age(now, r.Last)+" ago)")
	s.put("last reply", r.Reply)
	if r.DSN != "" || r.Code != 0 {
		code := ""
		if r.Code != 0 {
			code = strconv.Itoa(r.Code) + " "
		}
		s.put("code", code+r.DSN)
	}
	s.put("relay", r.Relay)
	s.put("queue id", r.QueueID)
	s.put("instance", r.Instance)
	if r.QueueID != "" {
		s.put("more", "mtawatch trace "+r.QueueID)
	}
	return s.rows
}

func connectionWhole(c *view.Connections, of mta.Connection, columns int) []row {
	s := &sheet{columns: columns}
	s.head(bold, of.Remote.String())
	for _, r := range c.Connections {
		if r.Remote == of.Remote && r.State != mta.TCPListen {
			s.put("port "+strconv.Itoa(int(r.LocalPort)), say.Plural(int64(r.Count), "connection")+" "+r.State.String())
		}
	}
	s.gap()
	for _, p := range c.Ports {
		if p.Port == of.LocalPort {
			s.put("the port", say.Port(p))
		}
	}
	return s.rows
}

func processWhole(now time.Time, r mta.RoleProcess, columns int) []row {
	s := &sheet{columns: columns}
	s.head(bold, r.Role.String()+" "+strconv.Itoa(r.PID))
	if r.Orphan {
		s.put("note", "left over from an earlier start: no daemon that starts such is above it")
	}
	s.put("command", commandOf(r.Process))
	s.put("program", r.Exe)
	s.put("state", stateText(r.State))
	if !r.Start.IsZero() {
		s.put("started", say.Clock(now, r.Start)+", "+say.Age(now, r.Start)+" ago")
	}
	s.put("parent", strconv.Itoa(r.PPID))
	s.put("user", strconv.Itoa(r.UID))
	s.put("CPU time", strconv.FormatFloat(r.CPU, 'f', 1, 64)+"s")
	s.put("memory", say.Bytes(r.Memory))
	s.put("directory", r.Cwd)
	s.put("instance", r.Instance)
	return s.rows
}

func (m *model) queueWhole(d *view.QueueDetail, r view.QueueRow, columns int) []row {
	s := &sheet{columns: columns}
	s.head(bold, r.Destination)
	s.put("waiting", say.Plural(r.Recipients, "recipient")+", "+say.Plural(r.Messages, "message"))
	if r.Normal != nil {
		s.put("usual", say.Counts(*r.Normal)+" recipients")
	}
	if !r.Oldest.IsZero() {
		s.put("oldest", say.Age(m.queue.Time, r.Oldest)+", since "+say.Clock(m.queue.Time, r.Oldest))
	}
	s.put("last reason", r.Reason)
	var ages []string
	for i, a := range d.Ages {
		if i < len(r.Ages) && r.Ages[i] > 0 {
			limit := "up to " + a
			if before, open := strings.CutSuffix(a, "+"); open {
				limit = "over " + before
			}
			ages = append(ages, fmt.Sprintf("%s: %d", limit, r.Ages[i]))
		}
	}
	s.put("by minutes", strings.Join(ages, ", "))
	if r.AgeUnknown > 0 {
		s.put("age unknown", say.Count(r.AgeUnknown))
	}
	s.gap()
	if _, single := destinationOf(r.Destination); single {
		m.messageRows(s)
	}
	return s.rows
}

// destinationOf tells whether a row is of one destination, not of several.
func destinationOf(name string) (string, bool) {
	return name, name != "TOTAL" && name != "(other)" && name != "unknown" && name != ""
}

// messageRows lists the messages of the destination that is looked into.
func (m *model) messageRows(s *sheet) {
	switch {
	case m.noMessages != nil:
		s.put("messages", "unknown: "+say.FirstLine(m.noMessages.Error()))
	case m.messages == nil:
		s.put("messages", "asked for...")
	case m.messages.Unknown != "":
		s.put("messages", "unknown: "+m.messages.Unknown)
	default:
		if len(m.messages.Messages) == 0 {
			s.put("messages", "none now")
		}
		name := "messages"
		for i := range m.messages.Messages {
			it := &m.messages.Messages[i]
			from := it.Sender
			if from == "" && len(it.Recipients) > 0 {
				from = "<>"
			}
			head := fmt.Sprintf("%s in %s for %s", it.QueueID, it.Queue, say.Age(m.messages.Time, it.Arrived))
			if it.Attempts > 0 {
				head += ", " + say.Plural(int64(it.Attempts), "attempt")
			}
			if from != "" {
				head += ", from " + from
			}
			s.put(name, head)
			name = ""
			for _, r := range it.Recipients {
				s.put("", "to "+r.Address, r.Reason)
			}
		}
		if m.messages.More {
			s.put("", "and more, which are younger")
		}
	}
}
