package tui

import (
	"context"
	"slices"
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/say"
	"github.com/mtawatch/mtawatch/internal/view"
)

// slowest is the interval at which a look at the machine is repeated: it
// reads logs and counts the queue anew each time.
const slowest = 10 * time.Second

// model is the state of the view. It changes in Update alone.
type model struct {
	cfg    Config
	glyphs glyphs
	ask    func(question) tea.Cmd

	width, height int
	tab           tab
	cursor        [numTabs]int
	chosen        [numTabs]string // key of the row at the cursor
	pattern       string
	typing        bool // the pattern
	zoom          *zoom
	help          bool
	helpFrom      int
	span          int    // of spans
	instance      string // that is shown

	later         bool // enter was pressed before there was a row
	asking, again bool
	turn          int // of the tick that counts
	at            time.Time
	err           error
	lost          time.Time // since when there is no answer

	status       *view.Status
	pasts        map[string]*past
	charted      charted
	queue        *view.Queue
	failures     *view.Failures
	connections  *view.Connections
	processes    *view.Processes
	findings     *view.Findings
	messages     *view.Messages
	nextMessages time.Time // when they are listed again
	noMessages   error
}

// zoom is a row that is looked into.
type zoom struct {
	key  string
	from int // first line that is shown
	rows []row
	gone bool // the row is there no more; its last state stays
}

// spans are the times that graphs show.
func spans() []time.Duration {
	return []time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 5 * time.Minute}
}

// charted names the charts that are there.
type charted struct {
	instance string
	span     time.Duration
	at       time.Time
}

// chartsLast is how long charts are good for: what is normal changes with the hour.
const chartsLast = 10 * time.Minute

// wantCharts gives the past that is to be asked for, 0 when it is there.
func (m *model) wantCharts() time.Duration {
	c, span := m.charted, spans()[m.span]
	if m.instance == "" || c.instance == m.instance && c.span == span && m.at.Sub(c.at) < chartsLast {
		return 0
	}
	return span
}

// chart takes charts. While no daemon answers they count as not there, so
// that one that comes back is asked for what it knows.
func (m *model) chart(a *answer) {
	if a.status.Daemon == nil {
		m.charted = charted{}
	}
	if p := m.pasts[a.instance]; p != nil && a.charts != nil {
		p.seed(a.charts)
		m.charted = charted{a.instance, a.question.charts, a.at}
	}
}

func newModel(ctx context.Context, cfg Config) *model {
	m := &model{cfg: cfg, glyphs: glyphsOf(cfg.UTF8), pasts: map[string]*past{}, width: 80, height: 24}
	m.ask = func(q question) tea.Cmd {
		return func() tea.Msg { return ask(ctx, cfg.Ask, q) }
	}
	return m
}

// Init asks for the first time.
func (m *model) Init() tea.Cmd { return m.askNow() }

// askNow asks at once, or as soon as the answer that is under way is there.
func (m *model) askNow() tea.Cmd {
	if m.asking {
		m.again = true
		return nil
	}
	m.asking, m.again = true, false
	m.turn++ // a tick that is still to come counts no more
	q := question{tab: m.tab, instance: m.instance, failing: m.roomBelow(), charts: m.wantCharts()}
	if m.zoom != nil && m.tab == tabQueue {
		if name, single := destinationOf(m.zoom.key); single && (m.messages == nil || !time.Now().Before(m.nextMessages)) {
			q.messages = &view.MessageQuery{Instance: m.instance, Destination: name, Limit: 50}
		}
	}
	return m.ask(q)
}

// Update takes a message.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = max(msg.Width, 1), max(msg.Height, 1)
	case tick:
		if msg.turn == m.turn && !m.asking {
			cmd = m.askNow()
		}
	case answer:
		cmd = m.take(&msg)
	case tea.PasteMsg:
		if m.typing {
			m.typed(msg.Content)
		}
	case tea.KeyPressMsg:
		cmd = m.key(msg)
	default:
		return m, nil
	}
	m.settle()
	if m.later && m.known() {
		if next := m.enter(); next != nil {
			cmd = next // in place of the wait
		}
		m.settle()
	}
	return m, cmd
}

// known reports whether the rows of the tab are there, be they none.
func (m *model) known() bool {
	return m.status != nil && (m.tab == tabSigns || m.table() != nil)
}

// take takes an answer and sees to the next one.
func (m *model) take(a *answer) tea.Cmd {
	m.asking = false
	if a.err != nil {
		m.err, m.charted = a.err, charted{}
		if m.lost.IsZero() {
			m.lost = a.at
		}
		m.at = a.at
		return m.next(m.cfg.Interval)
	}
	pause := m.cfg.Interval
	if a.status.Daemon == nil {
		pause = max(pause, slowest)
	}
	m.err, m.lost, m.at = nil, time.Time{}, a.at
	m.status = &a.status
	m.remember(pause)
	m.chart(a)
	if name := worst(m.status); m.shown() == nil && name != m.instance {
		m.choose(name)
		m.again = true // for what is of this instance
	}
	if a.instance == m.instance {
		m.keep(a)
	}
	return m.next(pause)
}

// keep keeps what was asked for beside the status.
func (m *model) keep(a *answer) {
	switch a.tab {
	case tabQueue:
		m.queue = a.queue
		if a.question.messages != nil {
			m.messages, m.noMessages = a.messages, a.noMessages
			m.nextMessages = a.at.Add(messagesShare * a.took)
		}
	case tabFailures:
		m.failures = a.failures
	case tabConnections:
		m.connections = a.connections
	case tabDaemons:
		m.processes = a.processes
	case tabFindings:
		m.findings = a.findings
	case tabSigns:
		if a.failing {
			m.failures = a.failures
		}
	}
}

// next asks again after a pause, or at once if something was asked for
// meanwhile.
func (m *model) next(pause time.Duration) tea.Cmd {
	if m.again {
		return m.askNow()
	}
	m.turn++
	return wait(pause, m.turn)
}

// remember puts the signs of all instances into what is kept of them.
func (m *model) remember(pause time.Duration) {
	for name := range m.pasts {
		if !slices.ContainsFunc(m.status.Instances, func(in view.InstanceStatus) bool { return in.Name == name }) {
			delete(m.pasts, name)
		}
	}
	for i := range m.status.Instances {
		in := &m.status.Instances[i]
		p := m.pasts[in.Name]
		if p == nil {
			p = &past{}
			m.pasts[in.Name] = p
		}
		p.add(m.status.Time, 3*pause, in)
	}
}

// choose shows another instance.
func (m *model) choose(instance string) {
	if instance == m.instance {
		return
	}
	m.instance, m.zoom = instance, nil
	m.queue, m.failures, m.processes, m.messages, m.noMessages = nil, nil, nil, nil, nil
}

// worst gives the instance of the worst finding, else the first.
func worst(s *view.Status) string {
	for i := range s.Findings {
		for k := range s.Instances {
			if s.Instances[k].Name == s.Findings[i].Instance && s.Findings[i].Severity != mta.SeverityInfo {
				return s.Instances[k].Name
			}
		}
	}
	if len(s.Instances) == 0 {
		return ""
	}
	return s.Instances[0].Name
}

// shown gives the instance that is shown; nil when there is none.
func (m *model) shown() *view.InstanceStatus {
	if m.status == nil {
		return nil
	}
	for i := range m.status.Instances {
		if m.status.Instances[i].Name == m.instance {
			return &m.status.Instances[i]
		}
	}
	return nil
}

// told gives the open findings, the worst first; last those that somebody
// knows of already.
func (m *model) told() []*mta.Finding {
	var list []*mta.Finding
	if m.status == nil {
		return nil
	}
	for i := range m.status.Findings {
		list = append(list, &m.status.Findings[i])
	}
	slices.SortStableFunc(list, func(a, b *mta.Finding) int {
		switch {
		case a.Held() == b.Held():
			return 0
		case b.Held():
			return -1
		}
		return 1
	})
	return list
}

// keys gives the keys of all rows of the tab, by which the cursor holds to its row.
func (m *model) keys() []string {
	var list []string
	if m.tab == tabSigns {
		for _, f := range m.told() {
			list = append(list, keyOf(f))
		}
		return append(list, "queue", "failures", "connections", "daemons")
	}
	if t := m.table(); t != nil {
		for _, it := range t.items {
			list = append(list, it.key)
		}
	}
	return list
}

// settle puts the cursor back on its row, and renews what zooming in shows.
func (m *model) settle() {
	keys := m.keys()
	if i := slices.Index(keys, m.chosen[m.tab]); i >= 0 {
		m.cursor[m.tab] = i
	}
	m.cursor[m.tab] = max(0, min(m.cursor[m.tab], len(keys)-1))
	if m.zoom == nil {
		return
	}
	columns := m.width
	rows := m.rowsOf(m.zoom.key, columns)
	m.zoom.gone = rows == nil
	if rows != nil {
		m.zoom.rows = rows
	}
	m.zoom.from = max(0, min(m.zoom.from, len(m.zoom.rows)-m.bodyHeight()))
}

// rowsOf gives what zooming into a row shows; nil when it is not there.
func (m *model) rowsOf(key string, columns int) []row {
	if m.tab == tabSigns {
		for _, f := range m.told() {
			if keyOf(f) == key {
				return findingWhole(m.status.Time, f, columns)
			}
		}
		return nil
	}
	t := m.table()
	if t == nil {
		return nil
	}
	for _, it := range t.items {
		if it.key == key {
			return it.whole(columns)
		}
	}
	return nil
}

// bodyHeight is the room between head and foot.
func (m *model) bodyHeight() int { return max(1, m.height-3) }

// lostText says that the answers stopped.
func (m *model) lostText() string {
	text := "no answer"
	if m.at.Sub(m.lost) >= time.Second {
		text += " for " + say.Age(m.at, m.lost)
	}
	return text + ": " + fixed(say.FirstLine(m.err.Error()))
}

func itoa(n int) string { return strconv.Itoa(n) }
