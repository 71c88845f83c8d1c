package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

const (
	maxCuts     = 4096 // places at which one line is cut
	maxFailures = 10   // told of one check
)

// emptyHost checks that a machine without this mail server gives no instance
// and no error.
func emptyHost(ctx context.Context, a adapter.Adapter) error {
	list, err := a.Detect(ctx, &Host{})
	if err != nil {
		return fmt.Errorf("detect on an empty host: %w", err)
	}
	if len(list) > 0 {
		return fmt.Errorf("detect on an empty host: %d instances, want none", len(list))
	}
	return nil
}

// checkLog runs the checks that hold for every log of every mail server.
func checkLog(a adapter.Adapter, c *testCase) []error {
	var list []error
	for _, check := range []func(adapter.Adapter, *testCase) []error{checkWhole, checkCuts, checkTwice, checkApart} {
		found := check(a, c)
		list = append(list, found[:min(len(found), maxFailures)]...)
	}
	return list
}

// checkWhole: every event has time, instance and kind; what stood in dst
// stays; an error is ErrUnknownLine or a *LineError.
func checkWhole(a adapter.Adapter, c *testCase) (list []error) {
	p := c.parser(a)
	for i, line := range c.log {
		events, err := parseOne(p, c, line)
		if err != nil {
			list = append(list, fmt.Errorf("line %d: %w", i+1, err))
		}
		for _, e := range events {
			if e.Time.IsZero() || e.Instance == "" || e.Kind == mta.KindNone {
				list = append(list, fmt.Errorf("line %d: an event without time, instance or kind: %s", i+1, e.AppendJSON(nil)))
			}
		}
	}
	return list
}

// parseOne parses one line onto a slice that already holds an event. The
// error tells of a broken contract, not of a line that cannot be read.
func parseOne(p adapter.Parser, c *testCase, text string) ([]mta.Event, error) {
	before := mta.Event{Text: "stood here before"}
	got, err := p.Parse(append(make([]mta.Event, 0, 4), before), adapter.Line{Text: text, Ref: c.ref})
	if len(got) == 0 || got[0] != before {
		return nil, errors.New("the events before were changed")
	}
	if err == nil {
		return got[1:], nil
	}
	var le *adapter.LineError
	if !errors.Is(err, adapter.ErrUnknownLine) && !errors.As(err, &le) {
		return nil, fmt.Errorf("an error that is neither ErrUnknownLine nor a LineError: %w", err)
	}
	if len(got) > 1 {
		return nil, fmt.Errorf("%d events were appended with the error: %w", len(got)-1, err)
	}
	return nil, nil
}

// checkCuts: a line cut at any byte does not panic, appends nothing with an
// error, and gives no delivery that ended otherwise than the whole line says.
// A server may tell at the end of a line why it gave up: bounced for expired
// is then what is left of it.
func checkCuts(a adapter.Adapter, c *testCase) (list []error) {
	for i, line := range c.log {
		whole, err := parseOne(c.parser(a), c, line)
		if err != nil {
			continue // told by checkWhole
		}
		var want [mta.NumStatuses]bool
		for _, e := range whole {
			if e.Kind == mta.KindDelivery {
				want[e.Status] = true
				if e.Status == mta.StatusExpired {
					want[mta.StatusBounced] = true
				}
			}
		}
		p := c.parser(a)
		for n := range min(len(line), maxCuts) {
			events, err := parseOne(p, c, line[:n])
			if err != nil {
				list = append(list, fmt.Errorf("line %d cut at %d: %w", i+1, n, err))
			}
			for _, e := range events {
				if e.Kind == mta.KindDelivery && !want[e.Status] {
					list = append(list, fmt.Errorf("line %d cut at %d: a delivery that is %s; the whole line does not say so", i+1, n, e.Status))
				}
			}
		}
	}
	return list
}

// checkTwice: the same lines give the same events.
func checkTwice(a adapter.Adapter, c *testCase) []error {
	first, second := c.events(a, c.log), c.events(a, c.log)
	if diff := cmp.Diff(first, second); diff != "" {
		return []error{fmt.Errorf("the same lines read twice differ (-first +second):\n%s", diff)}
	}
	return nil
}

// checkApart: the lines of one instance give the same events whether they are
// read alone or between those of others.
func checkApart(a adapter.Adapter, c *testCase) (list []error) {
	lines, together := map[string][]string{}, map[string][]string{}
	var names []string
	p := c.parser(a)
	for _, line := range c.log {
		events, err := p.Parse(nil, adapter.Line{Text: line, Ref: c.ref})
		if err != nil || len(events) == 0 {
			continue
		}
		name := events[0].Instance
		if _, ok := lines[name]; !ok {
			names = append(names, name)
		}
		lines[name] = append(lines[name], line)
		together[name] = append(together[name], string(appendLine(nil, 0, line, events, nil)))
	}
	if len(names) < 2 {
		return nil
	}
	for _, name := range names {
		apart := strings.Join(c.events(a, lines[name]), "")
		if diff := cmp.Diff(apart, strings.Join(together[name], "")); diff != "" {
			list = append(list, fmt.Errorf("the events of %s differ (-apart +together):\n%s", name, diff))
		}
	}
	return list
}
