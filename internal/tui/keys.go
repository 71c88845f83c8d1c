package tui

import (
	"slices"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
)

// maxPattern bounds what can be typed as a filter.
const maxPattern = 64

// key takes a key.
func (m *model) key(k tea.KeyPressMsg) tea.Cmd {
	m.later = false
	name := k.String()
	switch {
	case name == "ctrl+c":
		return tea.Quit
	case name == "ctrl+l":
		return tea.ClearScreen
	case m.typing:
		m.typeKey(k)
		return nil
	case name == "q":
		return tea.Quit
	case name == "?":
		m.help, m.helpFrom = !m.help, 0
		return nil
	case m.help:
		if name == "esc" || name == "enter" {
			m.help = false
		}
		m.helpFrom = max(0, min(m.scrolled(m.helpFrom, name), len(m.helpRows(m.width))-m.bodyHeight()))
		return nil
	case name == "esc":
		m.back()
		return nil
	case name == "r":
		return m.askNow()
	case name == "t":
		m.span = (m.span + 1) % len(spans())
		return m.askNow()
	case name == "i" || name == "I":
		return m.otherInstance(name == "I")
	}
	if t, ok := m.tabKey(name); ok {
		return m.open(t)
	}
	if m.zoom != nil {
		m.zoom.from = m.scrolled(m.zoom.from, name) // settle bounds it
		return nil
	}
	switch name {
	case "/":
		if m.tab != tabSigns {
			m.typing = true
		}
		return nil
	case "enter":
		return m.enter()
	}
	m.move(name)
	return nil
}

// tabKey gives the tab that a key leads to.
func (m *model) tabKey(name string) (tab, bool) {
	switch name {
	case "tab", "right", "l":
		return (m.tab + 1) % numTabs, true
	case "shift+tab", "left", "h":
		return (m.tab + numTabs - 1) % numTabs, true
	}
	if len(name) == 1 && name[0] >= '1' && name[0] < '1'+byte(numTabs) {
		return tab(name[0] - '1'), true
	}
	return 0, false
}

// open shows a tab and asks what stands there.
func (m *model) open(t tab) tea.Cmd {
	if t != m.tab {
		m.pattern = ""
	}
	m.tab, m.zoom = t, nil
	if t == tabSigns {
		return nil
	}
	return m.askNow()
}

// scrolled gives the first line after a key.
func (m *model) scrolled(from int, name string) int {
	page := m.bodyHeight()
	switch name {
	case "up", "k":
		return from - 1
	case "down", "j":
		return from + 1
	case "pgup", "b":
		return from - page
	case "pgdown", "space", " ":
		return from + page
	case "home", "g":
		return 0
	case "end", "G":
		return 1 << 20
	}
	return from
}

// move moves the cursor.
func (m *model) move(name string) {
	keys := m.keys()
	if len(keys) == 0 {
		return
	}
	at := max(0, min(m.scrolled(m.cursor[m.tab], name), len(keys)-1))
	m.cursor[m.tab], m.chosen[m.tab] = at, keys[at]
}

// enter looks into the row at the cursor; where the first answer is not there
// yet, as soon as it is.
func (m *model) enter() tea.Cmd {
	keys := m.keys()
	if m.later = !m.known(); m.later || len(keys) == 0 {
		return nil
	}
	key := keys[max(0, min(m.cursor[m.tab], len(keys)-1))]
	m.chosen[m.tab] = key
	if m.tab == tabSigns {
		if t := slices.Index([]string{"queue", "failures", "connections", "daemons"}, key); t >= 0 {
			return m.open(tabQueue + tab(t))
		}
	}
	m.zoom = &zoom{key: key}
	if m.tab == tabQueue {
		m.messages, m.noMessages = nil, nil
		return m.askNow()
	}
	return nil
}

// back leaves what was opened last.
func (m *model) back() {
	switch {
	case m.zoom != nil:
		m.zoom = nil
	case m.pattern != "":
		m.pattern = ""
	default:
		m.tab = tabSigns
	}
}

// otherInstance shows the next mail server, or the one before.
func (m *model) otherInstance(back bool) tea.Cmd {
	if m.status == nil || len(m.status.Instances) < 2 {
		return nil
	}
	n := len(m.status.Instances)
	at := 0
	for i := range m.status.Instances {
		if m.status.Instances[i].Name == m.instance {
			at = i
		}
	}
	step := 1
	if back {
		step = n - 1
	}
	m.choose(m.status.Instances[(at+step)%n].Name)
	return m.askNow()
}

// typeKey takes a key while the filter is typed.
func (m *model) typeKey(k tea.KeyPressMsg) {
	switch k.String() {
	case "enter":
		m.typing = false
	case "esc":
		m.typing, m.pattern = false, ""
	case "backspace", "ctrl+h":
		if m.pattern == "" {
			m.typing = false
		}
		_, n := utf8.DecodeLastRuneInString(m.pattern)
		m.pattern = m.pattern[:len(m.pattern)-n]
	case "ctrl+u":
		m.pattern = ""
	default:
		m.typed(k.Key().Text)
	}
}

// typed appends to the filter.
func (m *model) typed(s string) {
	for _, r := range fixed(s) {
		if utf8.RuneCountInString(m.pattern) < maxPattern {
			m.pattern += string(r)
		}
	}
}
