package app

import (
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/view"
)

// Where no mail server was found every sign is unknown: none of them is that
// of a server without mail, failures or connections.
func TestNoMailServer(t *testing.T) {
	s := lookAt(t, time.Second)
	ctx := t.Context()
	unknown := map[string]string{}
	q, err := s.Queue(ctx, view.QueueQuery{})
	if err != nil || q.Messages != nil {
		t.Errorf("queue: %v messages, %v", q.Messages, err)
	}
	unknown["queue"] = q.Unknown
	m, err := s.Messages(ctx, view.MessageQuery{})
	if err != nil {
		t.Error(err)
	}
	unknown["messages"] = m.Unknown
	f, err := s.Failures(ctx, view.FailureQuery{})
	if err != nil || f.Attempts != nil || f.Causes != nil {
		t.Errorf("failures: attempts %v, causes %v, %v", f.Attempts, f.Causes, err)
	}
	unknown["failures"] = f.Unknown
	c, err := s.Connections(ctx, view.ConnectionQuery{})
	if err != nil {
		t.Error(err)
	}
	unknown["connections"] = c.Unknown
	p, err := s.Processes(ctx, view.ProcessQuery{})
	if err != nil {
		t.Error(err)
	}
	unknown["processes"] = p.Unknown
	sum, err := s.Trace(ctx, view.TraceQuery{Text: "a@example.org"}, func(view.TraceStep) bool { return true }, nil)
	if err != nil {
		t.Error(err)
	}
	unknown["trace"] = strings.Join(sum.Unread, "; ")
	for name, why := range unknown {
		if !strings.Contains(why, "no mail server") {
			t.Errorf("%s: unknown %q", name, why)
		}
	}
}
