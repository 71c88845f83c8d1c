package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/say"
	"github.com/mtawatch/mtawatch/internal/view"
)

// View gives the screen.
func (m *model) View() tea.View {
	lines := m.screen()
	var b strings.Builder
	for i, r := range lines[:min(len(lines), m.height)] {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(r.cut(m.width).String())
	}
	v := tea.NewView(b.String())
	v.AltScreen = true
	return v
}

// screen gives all lines: head, pages, body, foot.
func (m *model) screen() []row {
	out := []row{m.head(), m.pages()}
	room := m.bodyHeight()
	var body []row
	switch {
	case m.help:
		body = m.helpRows(m.width)
		body = body[min(m.helpFrom, len(body)):]
	case m.status == nil:
		body = m.first()
	case m.zoom != nil:
		body = m.zoom.rows[min(m.zoom.from, len(m.zoom.rows)):]
	case m.tab == tabSigns:
		body = m.signsPage(room)
	default:
		body = m.tablePage(room)
	}
	if m.err != nil && !m.help {
		for i := range body {
			body[i] = body[i].all(dim) // it is old
		}
	}
	if len(body) > room {
		body = body[:room]
	}
	for len(body) < room {
		body = append(body, nil)
	}
	return append(append(out, body...), m.foot())
}

// first is what stands there before the first answer.
func (m *model) first() []row {
	if m.err == nil {
		return []row{nil, text(dim, "asking...")}
	}
	out := []row{nil}
	out = append(out, wrap(plain, fixed(say.FirstLine(m.err.Error())), m.width, 0)...)
	if advice := view.AdviceOf(m.err); advice != "" {
		out = append(out, wrap(plain, "to do: "+fixed(advice), m.width, 7)...)
	}
	return append(out, text(dim, "asked again every "+say.Span(m.cfg.Interval)))
}

// head is the verdict, and whose.
func (m *model) head() row {
	if m.err != nil {
		return row{{red, "UNKNOWN"}, {plain, ": " + m.lostText()}}
	}
	if m.status == nil {
		return text(bold, "mtawatch")
	}
	left := row{{verdictStyle(m.status.Verdict), say.Verdict(m.status.Verdict)}, {plain, ": " + m.headline()}}
	right := text(bold, fixed(m.instance))
	if n := len(m.status.Instances); n > 1 {
		right = right.and(dim, fmt.Sprintf(" 1 of %d (i: next)", n))
		for i := range m.status.Instances {
			if m.status.Instances[i].Name == m.instance {
				right[1].text = fmt.Sprintf(" %d of %d (i: next)", i+1, n)
			}
		}
	}
	if m.status.Daemon == nil {
		right = right.and(yellow, " no daemon: a look")
	} else if m.status.Practice != "" {
		right = right.and(dim, " practice")
	}
	if m.width < 60 {
		return left
	}
	if over := left.width() + right.width() + 2 - m.width; over > 0 && right.width() < m.width/2 {
		left = left.cut(m.width - right.width() - 2)
	}
	return ends(left, right, m.width)
}

// headline is short where the findings stand below in full.
func (m *model) headline() string {
	told := m.told()
	if m.tab != tabSigns || m.zoom != nil || m.height < 14 || len(told) == 0 || len(m.status.Gone()) > 0 || m.status.Verdict == view.VerdictUnknown {
		return fixed(say.Headline(m.status))
	}
	if len(told) == 1 {
		return "1 finding is open"
	}
	return fmt.Sprintf("%d findings are open", len(told))
}

// pages names the tabs.
func (m *model) pages() row {
	open := len(m.told())
	name := func(t tab) string {
		s := itoa(int(t)+1) + " " + tabName(t)
		if t == tabFindings && open > 0 {
			s += fmt.Sprintf(" (%d)", open)
		}
		return s
	}
	if m.help {
		return text(bold, "help")
	}
	var r row
	for t := range numTabs {
		st := dim
		if t == m.tab {
			st = reverse
		}
		r = r.and(st, " "+name(t)+" ")
	}
	if r.width() > m.width {
		return row{{reverse, " " + name(m.tab) + " "}, {dim, " of 6"}}
	}
	return r
}

// foot says what can be done, and of when all this is.
func (m *model) foot() row {
	if m.typing {
		return row{{bold, "/"}, {plain, m.pattern}, {reverse, " "}}
	}
	left := "enter: look into  /: filter  ?: help  q: quit"
	switch {
	case m.help:
		left = "?: back  q: quit"
	case m.zoom != nil:
		left = "esc: back  up, down: more  q: quit"
		if m.zoom.gone {
			left = "this is there no more; esc: back"
		}
	case m.tab == tabSigns:
		left = "enter: look into  t: time  ?: help  q: quit"
	}
	l := text(dim, left)
	if m.width < 60 && !m.help && m.zoom == nil {
		l = text(dim, "?: help  q: quit")
	}
	if m.pattern != "" {
		l = row{{yellow, "only rows with: " + m.pattern}, {dim, "  esc: all"}}
	}
	var right row
	if m.tab == tabSigns && !m.help && m.zoom == nil {
		right = text(dim, "graphs: "+say.Span(spans()[m.span])+"  ")
	}
	switch {
	case m.status == nil:
	case m.err != nil:
		right = text(yellow, "as of "+say.Clock(m.at, m.status.Time))
	default:
		right = right.and(dim, m.status.Time.Local().Format("15:04:05"))
	}
	return ends(l, right, m.width)
}

// signsPage is the open findings and the four signs.
func (m *model) signsPage(room int) []row {
	in := m.shown()
	if in == nil {
		out := m.findingLines(room-2, 0)
		out = append(out, nil)
		return append(out, wrap(plain, "No mail server is seen here. To do: see 'mtawatch doctor', or name the mail server under 'instances' in the configuration.", m.width, 0)...)
	}
	least := 1
	if m.height >= 20 {
		least = 3
	}
	across := 1
	if m.width >= 150 {
		across = 2
	}
	out := m.findingLines(max(1, min(room-4/across*least, room/2)), m.cursor[m.tab])
	room -= len(out)
	list := m.signs(in)
	at := m.cursor[m.tab] - len(m.told())
	down := len(list) / across
	high := room / down
	below := 0
	if m.roomBelow() {
		high = min(high, tallest)
		below = room - high*down
	}
	if high < 2 {
		for i := range list {
			out = append(out, m.signLine(&list[i], i == at, m.width))
		}
		return out
	}
	wide := (m.width - 2*(across-1)) / across
	for i := 0; i < len(list); i += across {
		h := high
		if i/across < (room-below)%down {
			h++
		}
		left := m.panel(&list[i], i == at, wide, h)
		if across == 1 {
			out = append(out, left...)
			continue
		}
		for k, r := range m.panel(&list[i+1], i+1 == at, wide, h) {
			out = append(out, append(left[k].pad(wide+2), r...))
		}
	}
	if below > 4 && m.failures != nil {
		out = append(out, text(bold, "  what fails"))
		out = append(out, failureTable(m.failures).draw(m.width, below-1, -1)...)
	}
	return out
}

// tallest is as high as a sign grows; what is left shows the failures.
const tallest = 14

// roomBelow reports whether the failures have room below the signs.
func (m *model) roomBelow() bool { return m.tab == tabSigns && m.width >= 100 && m.height >= 44 }

// findingLines tells the open findings in at most so many lines, each in one
// sentence with since when and what to do.
func (m *model) findingLines(most, cursor int) []row {
	list := m.told()
	var out []row
	for _, i := range m.status.Imports {
		out = append(out, text(dim, fmt.Sprintf("reading the rotated pieces of %s: %d of %d done", fixed(i.Source), i.FilesDone, i.Files)))
	}
	if m.err != nil && len(list) > 0 && most > 2 {
		out = append(out, text(plain, m.calm()))
	}
	if len(list) == 0 {
		if len(out) == 0 && most > 1 {
			out = append(out, text(dim, m.calm()))
		}
		return out[:min(len(out), most)]
	}
	for i, f := range list {
		lines := m.findingLine(f, i == cursor)
		left := most - len(out)
		more := len(list) - i - 1
		if len(lines) > left || len(lines) == left && more > 0 {
			switch {
			case i == 0:
				out = append(out, lines[:min(left, len(lines))]...)
			case left > 0:
				out = append(out, text(dim, fmt.Sprintf("and %s more: 6", say.Plural(int64(more+1), "finding"))))
			}
			return out
		}
		out = append(out, lines...)
	}
	return out
}

// signs gives the signs of an instance. When there is no answer, how they
// are is not known: the figures stay, the verdicts do not.
func (m *model) signs(in *view.InstanceStatus) []sign {
	list := signs(m.status, in, m.pasts[in.Name])
	if m.err != nil {
		for i := range list {
			list[i].verdict, list[i].word = view.VerdictUnknown, say.Verdict(view.VerdictUnknown)
		}
	}
	return list
}

// calm is what is said when no finding is open.
func (m *model) calm() string {
	if m.err != nil {
		return "what stands below is old: as of " + say.Clock(m.at, m.status.Time)
	}
	if len(m.status.Gone()) > 0 {
		return "no finding tells of it yet"
	}
	if !m.status.Judged {
		return "no daemon runs: this is the machine as it is; nobody judges it. 'mtawatch run' keeps watching"
	}
	if n := len(m.status.Blind); n > 0 {
		return "no finding is open, but " + say.Plural(int64(n), "blind spot") + ": see ?"
	}
	return "no finding is open; " + say.Learned(m.status.Learned)
}

func (m *model) findingLine(f *mta.Finding, chosen bool) []row {
	st := severityStyle(f.Severity)
	word := say.Severity(f.Severity)
	mark := "  "
	if chosen {
		mark = "> "
	}
	sentence := fixed(say.Sentence(m.status.Time, f))
	if f.Held() {
		st = dim
		sentence += "; " + fixed(say.Held(m.status.Time, f))
	}
	lines := wrap(plain, mark+word+"  "+sentence, m.width, len(word)+4)
	if len(lines) > 2 { // the second one shows how it goes on
		lines = append(lines[:1], append(lines[1], span{plain, " " + strings.TrimLeft(lines[2][0].text, " ")}).cut(m.width))
	}
	if chosen {
		lines[0] = lines[0].all(reverse)
	} else {
		lines[0] = row{{plain, mark}, {st, word}, {bold, strings.TrimPrefix(lines[0][0].text, mark+word)}}
	}
	if len(f.Advice) > 0 && !f.Held() {
		lines = append(lines, text(plain, strings.Repeat(" ", min(len(word)+4, 12))+"to do: "+fixed(f.Advice[0])).cut(m.width))
	}
	return lines
}

// signLine is a sign in one line.
func (m *model) signLine(s *sign, chosen bool, columns int) row {
	mark := "  "
	if chosen {
		mark = "> "
	}
	r := row{{bold, mark + s.name}}.pad(14)
	r = r.and(plain, say.Cut(fixed(s.short), 13)).pad(25).and(verdictStyle(s.verdict), s.word).and(plain, " ").pad(min(39, max(34, columns-6)))
	if columns >= 80 {
		r = r.and(dim, say.Cut(fixed(s.normal), 32)).pad(72)
	}
	if room := columns - r.width(); room >= 3 {
		r = append(r, graph(m.glyphs, s, m.status.Time, spans()[m.span], room, 1)[0]...)
	}
	return r
}

// panel is a sign in a field of its own: words at the left, graph at the right.
func (m *model) panel(s *sign, chosen bool, columns, lines int) []row {
	words := max(22, min(46, columns*45/100))
	head := row{{bold, "  " + s.name}}
	if chosen {
		head = row{{reverse, "> " + s.name}}
	}
	texts := []row{ends(head, text(verdictStyle(s.verdict), s.word), words)}
	if lines == 2 {
		texts = append(texts, text(plain, "  "+fixed(s.now)+"; "+fixed(s.normal)))
	} else {
		texts = append(texts, text(plain, "  "+fixed(s.now)), text(dim, "  "+fixed(s.normal)))
	}
	high := lines
	if lines > 3 {
		high = lines - 1 // a free line between the panels
	}
	for _, l := range s.lines {
		more := wrap(dim, "  "+fixed(l), words, 4)
		if len(texts)+len(more) > high {
			more = []row{text(dim, "  "+fixed(l))} // cut
		}
		texts = append(texts, more...)
	}
	drawn := graph(m.glyphs, s, m.status.Time, spans()[m.span], columns-words-2, high)
	out := make([]row, lines)
	for i := range high {
		if i < len(texts) {
			out[i] = texts[i].cut(words)
		}
		if i < len(drawn) {
			out[i] = append(out[i].pad(words+2), drawn[i]...)
		}
	}
	return out
}

// tablePage is a table, with the four signs above it where there is room.
func (m *model) tablePage(room int) []row {
	var out []row
	if in := m.shown(); in != nil && m.height >= 20 {
		list := m.signs(in)
		for i := range list {
			out = append(out, m.signLine(&list[i], false, m.width))
		}
		out = append(out, nil)
	}
	t := m.table()
	if t == nil {
		return append(out, text(dim, "asking..."))
	}
	return append(out, t.draw(m.width, room-len(out), m.cursor[m.tab])...)
}
