package tui

// helpRows is what '?' shows.
func (m *model) helpRows(columns int) []row {
	s := &sheet{columns: columns}
	s.head(bold, "mtawatch top")
	for _, k := range [...][2]string{
		{"1 to 6, tab", "the pages: signs, queue, failures, connections, daemons, findings"},
		{"up, down", "choose a row (also j and k, PgUp, PgDn, Home, End)"},
		{"enter", "look into it: a finding in full, a destination with its messages; esc leads back"},
		{"/", "show only rows with these letters, in this order with few others between; esc shows all again"},
		{"t", "the time that the graphs show"},
		{"i", "the next mail server, where there are several"},
		{"r", "ask again now"},
		{"ctrl-l", "draw the screen anew"},
		{"q", "quit"},
	} {
		s.put(k[0], k[1])
	}
	s.gap()
	s.put("graphs", "The line is the figure, the dots behind it what is normal at that hour. Where nothing is drawn nothing is known. "+
		"Of the failures, what was sent goes up and what failed goes down.")
	s.put("words", "OK: no finding is open about the sign. UNKNOWN: it cannot be seen. not judged: no daemon runs, so nobody knows what is normal.")
	s.gap()
	if m.status != nil {
		st := m.status
		if d := st.Daemon; d != nil {
			s.put("answers", "mtawatch "+d.Version+", pid "+itoa(d.PID))
		} else {
			s.put("answers", "no daemon: this is a look at the machine; 'mtawatch run' keeps watching")
		}
		s.put("practice", st.Practice)
		for _, b := range st.Blind {
			s.put("blind spot", b.Source+" is "+string(b.Kind)+": "+b.Text+". To do: "+b.Advice)
		}
	}
	return s.rows
}
