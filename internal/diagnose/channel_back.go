package diagnose

import (
	"slices"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// channelBack rewrites the finding that a channel is stopped, once the server's
// own files say that it is not: an operator who has started it must not read
// that it is to be started.
func channelBack(c *Case, m *mta.Finding) bool {
	in := c.instance(m.Instance)
	if in == nil || m.Cause != stoppedCause || !c.Facts.Looked(in.Name) || stopOf(c, in.Name, m.Subject) != nil {
		return false
	}
	i := slices.IndexFunc(in.Queues, func(q *Queue) bool { return q.Name == m.Subject })
	if i < 0 {
		return false
	}
	k := ofChannel(in, in.Queues[i])
	began, back := moment(c.Now, m.Since), moment(c.Now, m.Over)
	m.Title = "the channel " + m.Subject + whose(in.Name) + " was stopped since " + began + "; it works again since " + back + " (watching that it drains)"
	m.Cause = "somebody has started the channel, " + span(m.Over.Sub(m.Since)) + " after it was stopped; seen at " + back + "."
	m.RuledOut, m.Avoid = nil, nil
	m.Evidence = append(k.Evidence, fact("what was found before: "+stoppedCause))
	m.Advice = []string{"nothing is to be started; see that it drains: `imsimta qm jobs`", "find out who stopped it and why"}
	return true
}
