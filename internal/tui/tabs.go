package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/say"
	"github.com/mtawatch/mtawatch/internal/view"
)

// tab is one page of the view.
type tab int

// The tabs, in the order of their keys 1 to 6.
const (
	tabSigns tab = iota
	tabQueue
	tabFailures
	tabConnections
	tabDaemons
	tabFindings
	numTabs
)

// tabName gives its name.
func tabName(t tab) string {
	return [numTabs]string{"signs", "queue", "failures", "connections", "daemons", "findings"}[t]
}

// table gives the table of the tab that is open; nil while its answer is not there.
func (m *model) table() *table {
	var t *table
	switch {
	case m.tab == tabQueue && m.queue != nil:
		t = m.queueTable()
	case m.tab == tabFailures && m.failures != nil:
		t = failureTable(m.failures)
	case m.tab == tabConnections && m.connections != nil:
		t = connectionTable(m.connections, m.instancePorts())
	case m.tab == tabDaemons && m.processes != nil:
		t = processTable(m.processes, m.instance)
	case m.tab == tabFindings && m.findings != nil:
		t = m.findingTable()
	default:
		return nil
	}
	t.filter(m.pattern)
	return t
}

// unknownNote stands above figures that are not, or not all, known.
func unknownNote(why string) row {
	if why == "" {
		return nil
	}
	return row{{red, "UNKNOWN: "}, {plain, fixed(why)}}
}

func (m *model) queueTable() *table {
	t := &table{empty: "the queue is empty"}
	i := slices.IndexFunc(m.queue.Detail, func(d view.QueueDetail) bool { return d.Instance == m.instance })
	if i < 0 {
		t.note, t.empty = unknownNote(m.queue.Unknown), "no table of this queue"
		return t
	}
	d := &m.queue.Detail[i]
	switch {
	case d.Unknown != "":
		t.note, t.empty = unknownNote(d.Unknown), ""
	case d.ListFailed != "":
		t.note, t.empty = row{{yellow, "no newer table: "}, {plain, fixed(d.ListFailed)}}, "no table of this queue"
	case d.ListedAt.IsZero():
		t.empty = "no table of this queue yet"
	default:
		t.note = text(dim, "recipients by destination and age in minutes, read "+say.Age(m.queue.Time, d.ListedAt)+" ago")
	}
	t.columns = []column{{title: "DESTINATION"}, {title: "T", right: true}}
	for k, a := range d.Ages {
		c := column{title: fixed(a), right: true, gives: 3 + k}
		if d.Total != nil && k < len(d.Total.Ages) && d.Total.Ages[k] == 0 {
			c.gives += 30 // nothing stands there
		}
		t.columns = append(t.columns, c)
	}
	t.columns = append(t.columns, column{title: "USUAL", right: true, gives: 2}, column{title: "OLDEST", right: true, gives: 1}, column{title: "LAST REASON", gives: 20})
	list := slices.Clone(d.Rows)
	if d.Other != nil {
		list = append(list, *d.Other)
		list[len(list)-1].Destination = "(other)"
	}
	if d.Total != nil && len(list) > 0 {
		total := *d.Total
		total.Destination, total.Reason = "TOTAL", ""
		list = slices.Insert(list, 0, total)
	}
	for k, r := range list {
		cells := []string{fixed(r.Destination), say.Count(r.Recipients)}
		for a := range d.Ages {
			n := ""
			if a < len(r.Ages) {
				n = say.Count(r.Ages[a])
			}
			cells = append(cells, n)
		}
		it := item{key: r.Destination, cells: append(cells, say.Usual(r.Normal), say.Age(m.queue.Time, r.Oldest), fixed(r.Reason))}
		if k == 0 && d.Total != nil {
			it.style = bold
		} else if r.Normal != nil && float64(r.Recipients) > r.Normal.High {
			it.style = yellow
		}
		it.whole = func(columns int) []row { return m.queueWhole(d, r, columns) }
		t.items = append(t.items, it)
	}
	return t
}

func failureTable(f *view.Failures) *table {
	t := &table{empty: "nothing failed in the window", note: unknownNote(f.Unknown)}
	t.columns = []column{{title: "DESTINATION"}, {title: "CAUSE"}, {title: "AT FAULT", gives: 4}, {title: "DEFERRED", right: true}, {title: "BOUNCED", right: true},
		{title: "SENT", right: true, gives: 3}, {title: "USUAL/MIN", right: true, gives: 2}, {title: "LAST", gives: 5}, {title: "LAST REPLY", gives: 6}}
	if t.note == nil {
		t.note = text(dim, say.Cover(f.Time, f.Since, f.Window)+": "+fixed(say.Top(f.Attempts, 6)))
		if len(f.Attempts) == 0 {
			t.note = text(dim, say.Cover(f.Time, f.Since, f.Window))
		}
	} else {
		t.empty = ""
	}
	for _, r := range f.Rows {
		t.items = append(t.items, item{
			key: r.Destination + " " + r.Cause.String(),
			cells: []string{fixed(r.Destination), r.Cause.String(), say.Scope(r.Scope), say.Count(r.Deferred), say.Count(r.Bounced), say.Count(r.Sent),
				say.Usual(r.Normal), say.Clock(f.Time, r.Last), fixed(r.Reply)},
			whole: func(columns int) []row { return failureWhole(f.Time, r, columns) },
		})
	}
	return t
}

// instancePorts are the ports of the instance that is shown; nil for all.
func (m *model) instancePorts() []uint16 {
	if m.status == nil || len(m.status.Instances) < 2 {
		return nil
	}
	var ports []uint16
	if in := m.shown(); in != nil {
		for _, p := range in.Connections.Ports {
			ports = append(ports, p.Port)
		}
	}
	return ports
}

func connectionTable(c *view.Connections, ports []uint16) *table {
	t := &table{empty: "no connection", note: unknownNote(c.Unknown)}
	t.columns = []column{{title: "REMOTE"}, {title: "PORT", right: true}, {title: "STATE"}, {title: "COUNT", right: true}, {title: "SHARE", right: true, gives: 1}}
	if t.note != nil {
		t.empty = ""
	}
	total := 0
	mine := func(p uint16) bool { return ports == nil || slices.Contains(ports, p) }
	for _, r := range c.Connections {
		if r.State != mta.TCPListen && mine(r.LocalPort) {
			total += r.Count
		}
	}
	var heads []string
	for _, p := range c.Ports {
		if mine(p.Port) {
			heads = append(heads, say.Port(p))
		}
	}
	if t.note == nil {
		t.note = text(dim, fixed(strings.Join(heads, "; ")))
	}
	for _, r := range c.Connections {
		if r.State == mta.TCPListen || !mine(r.LocalPort) {
			continue
		}
		t.items = append(t.items, item{
			key:   fmt.Sprint(r.Remote, r.LocalPort, r.State),
			cells: []string{r.Remote.String(), strconv.Itoa(int(r.LocalPort)), r.State.String(), strconv.Itoa(r.Count), strconv.Itoa(100*r.Count/max(total, 1)) + " %"},
			whole: func(columns int) []row { return connectionWhole(c, r, columns) },
		})
	}
	return t
}

func processTable(p *view.Processes, instance string) *table {
	t := &table{empty: "no process of this mail server", note: unknownNote(p.Unknown)}
	t.columns = []column{{title: "ROLE"}, {title: "PID", right: true}, {title: "STATE", gives: 2}, {title: "AGE", right: true}, {title: "STARTED", gives: 4},
		{title: "CPU", right: true, gives: 3}, {title: "MEMORY", right: true, gives: 1}, {title: "COMMAND", gives: 5}}
	if t.note != nil {
		t.empty = ""
	} else {
		var parts []string
		for _, r := range p.Roles {
			if r.Instance == instance && r.Restarts != nil && *r.Restarts > 0 {
				parts = append(parts, r.Role.String()+" "+say.Plural(*r.Restarts, "restart"))
			}
		}
		t.note = text(dim, "restarts seen: none")
		if len(parts) > 0 {
			t.note = text(dim, strings.Join(parts, ", "))
		}
	}
	for _, r := range p.Processes {
		if r.Instance != instance {
			continue
		}
		role := r.Role.String()
		st := plain
		if r.Orphan {
			role += " (left over)"
			st = yellow
		}
		if r.State == "T" || r.State == "Z" || r.State == "D" {
			st = yellow
		}
		t.items = append(t.items, item{
			key: strconv.Itoa(r.PID), style: st,
			cells: []string{role, strconv.Itoa(r.PID), stateText(r.State), say.Age(p.Time, r.Start), say.Clock(p.Time, r.Start),
				strconv.FormatFloat(r.CPU, 'f', 1, 64) + "s", say.Bytes(r.Memory), fixed(commandOf(r.Process))},
			whole: func(columns int) []row { return processWhole(p.Time, r, columns) },
		})
	}
	return t
}

// stateText says what the letter of a process's state means, where it matters.
func stateText(letter string) string {
	switch letter {
	case "T":
		return "T stopped"
	case "Z":
		return "Z ended"
	case "D":
		return "D waits for a disk"
	}
	return fixed(letter)
}

func commandOf(p mta.Process) string {
	if len(p.Args) > 0 {
		return strings.Join(p.Args, " ")
	}
	return p.Name
}

func (m *model) findingTable() *table {
	f := m.findings
	t := &table{empty: "no finding, open or past", note: unknownNote(f.Unknown)}
	if t.note == nil {
		t.note = text(dim, say.Learned(f.Learned))
	} else {
		t.empty = ""
	}
	t.columns = []column{{title: "SEVERITY"}, {title: "SINCE", gives: 1}, {title: "LASTED", right: true, gives: 2}, {title: "INSTANCE", gives: 4}, {title: "TITLE"}}
	for _, list := range [...][]mta.Finding{f.Open, f.Past} {
		for i := range list {
			c := &list[i]
			lasted, st := "open, "+say.Age(f.Time, c.Since), severityStyle(c.Severity)
			if !c.End.IsZero() {
				lasted, st = say.Span(c.End.Sub(c.Since)), dim
			}
			t.items = append(t.items, item{
				key: keyOf(c), style: st,
				cells: []string{say.Severity(c.Severity), say.Clock(f.Time, c.Since), lasted, fixed(c.Instance), fixed(c.Title)},
				whole: func(columns int) []row { return findingWhole(f.Time, c, columns) },
			})
		}
	}
	return t
}

// keyOf names a finding.
func keyOf(f *mta.Finding) string {
	if f.ID != "" {
		return f.ID
	}
	return string(f.Code) + " " + f.Instance + " " + f.Subject + f.Since.Format(time.RFC3339)
}
