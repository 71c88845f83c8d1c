package cli

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/say"
	"github.com/mtawatch/mtawatch/internal/view"
)

// perfData gives the figures as Nagios plug-ins do: 'label'=value;warn;crit;min.
// U is a figure that is not known.
func perfData(s *view.Status) string {
	var parts []string
	for i := range s.Instances {
		in := &s.Instances[i]
		name := func(what string) string { return what }
		if len(s.Instances) > 1 {
			name = func(what string) string { return in.Name + " " + what }
		}
		parts = append(parts, perfItem(name("queue"), in.Queue.Messages))
		counted := in.Failures.Unknown == "" && in.Failures.Attempts != nil
		for st := mta.StatusSent; st <= mta.StatusBounced; st++ {
			n := in.Failures.Attempts[st.String()]
			parts = append(parts, perfItem(name(st.String()), known(n, counted)))
		}
		open := 0
		for _, p := range in.Connections.Ports {
			open += say.LiveSockets(p)
		}
		parts = append(parts, perfItem(name("connections"), known(int64(open), in.Connections.Unknown == "")))
	}
	count := map[mta.Severity]int64{}
	for i := range s.Findings {
		count[s.Findings[i].Severity]++
	}
	for _, sev := range [...]mta.Severity{mta.SeverityCritical, mta.SeverityWarning} {
		parts = append(parts, perfItem("findings_"+sev.String(), known(count[sev], s.Judged)))
	}
	return strings.Join(parts, " ")
}

func known(n int64, ok bool) *int64 {
	if !ok {
		return nil
	}
	return &n
}

func perfItem(label string, n *int64) string {
	label = strings.NewReplacer("'", "", "=", "", "|", "").Replace(clean(label))
	if strings.Contains(label, " ") {
		label = "'" + label + "'"
	}
	if n == nil {
		return label + "=U"
	}
	return label + "=" + countText(*n) + ";;;0"
}
