package api

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// The limits of parameters.
const (
	maxTop    = 1000
	maxLimit  = 10000
	maxWindow = 24 * time.Hour
	maxText   = 1024 // bytes of one value
	maxQuery  = 8192 // bytes of the whole query
	maxList   = 32   // values of a repeatable parameter
)

var (
	queueParams      = []string{"instance", "queue", "top", "fresh", "counters"}
	messageParams    = []string{"instance", "queue", "destination", "sender", "id", "limit"}
	failureParams    = []string{"instance", "window", "top", "cause", "destination", "inbound"}
	connectionParams = []string{"port", "state", "top"}
	processParams    = []string{"instance"}
	chartParams      = []string{"instance", "sign", "series", "range", "end"}
	findingParams    = []string{"id", "code", "since", "limit"}
	traceParams      = []string{"text", "since", "limit"}
)

// params reads the parameters of one request and gathers what is wrong.
type params struct {
	values url.Values
	wrong  []string
}

// readParams refuses a query with a parameter that the route does not know,
// for a misspelt filter must not give an answer that looks filtered.
func readParams(raw string, known []string) (*params, error) {
	if len(raw) > maxQuery {
		return nil, question(fmt.Sprintf("the query has %d bytes, at most %d are read", len(raw), maxQuery))
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, question("read query: " + err.Error())
	}
	p := &params{values: values}
	for name, list := range values {
		switch {
		case !slices.Contains(known, name):
			p.refuse(name, "is not known here; known are: "+strings.Join(known, ", "))
		case len(list) > 1 && name != "queue", len(list) > maxList:
			p.refuse(name, "is given too often")
		}
		for _, v := range list {
			if len(v) > maxText {
				p.refuse(name, fmt.Sprintf("has %d bytes, at most %d are read", len(v), maxText))
			}
		}
	}
	return p, p.err()
}

func question(text string) error { return fmt.Errorf("%w: %s", view.ErrQuestion, text) }

func (p *params) refuse(name, why string) {
	p.wrong = append(p.wrong, fmt.Sprintf("parameter %q %s", name, why))
}

// err gives all that is wrong in one error.
func (p *params) err() error {
	if len(p.wrong) == 0 {
		return nil
	}
	slices.Sort(p.wrong)
	return question(strings.Join(p.wrong, "; "))
}

func (p *params) text(name string) string { return p.values.Get(name) }

func (p *params) list(name string) []string { return p.values[name] }

// number reads 1 to limit; absent is 0.
func (p *params) number(name string, limit int) int {
	v := p.values.Get(name)
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > limit {
		p.refuse(name, fmt.Sprintf("must be a number from 1 to %d", limit))
		return 0
	}
	return n
}

func (p *params) flag(name string) bool {
	switch p.values.Get(name) {
	case "1", "true":
		return true
	case "", "0", "false":
		return false
	}
	p.refuse(name, "must be true or false")
	return false
}

// duration reads "90s", "1h"; absent is 0.
func (p *params) duration(name string, limit time.Duration) time.Duration {
	v := p.values.Get(name)
	if v == "" {
		return 0
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 || d > limit {
		p.refuse(name, fmt.Sprintf("must be a duration such as 15m or 1h, at most %s", limit))
		return 0
	}
	return d
}

// span reads the range of a chart: "1h", "7d"; absent is 0.
func (p *params) span(name string) time.Duration {
	v := p.values.Get(name)
	if v == "" {
		return 0
	}
	var d time.Duration
	days, err := strconv.ParseUint(strings.TrimSuffix(v, "d"), 10, 16)
	if err == nil && strings.HasSuffix(v, "d") {
		d = time.Duration(days) * 24 * time.Hour
	} else if d, err = time.ParseDuration(v); err != nil {
		d = 0
	}
	if d < time.Minute || d > view.MaxChartSpan {
		p.refuse(name, "must be a span such as 1h, 24h or 14d, from 1m to 35d")
		return 0
	}
	return d
}

func (p *params) sign(name string) mta.Sign {
	s := mta.Sign(p.values.Get(name))
	switch s {
	case "", mta.SignQueues, mta.SignFailures, mta.SignConnections, mta.SignDaemons:
		return s
	}
	p.refuse(name, "is no sign; the signs are: queues, failures, connections, daemons")
	return ""
}

func (p *params) time(name string) time.Time {
	v := p.values.Get(name)
	if v == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		p.refuse(name, "must be a time such as 2026-11-23T12:00:00Z")
	}
	return t
}

func (p *params) cause(name string) string {
	v := p.values.Get(name)
	var c mta.Cause
	if err := c.UnmarshalText([]byte(v)); err != nil {
		p.refuse(name, "is no cause; the causes are: "+causeList())
	}
	return v
}

func (p *params) code(name string) mta.FindingCode {
	c := mta.FindingCode(p.values.Get(name))
	if c != "" && c.Sign() == "" {
		var names []string
		for _, known := range mta.FindingCodes() {
			names = append(names, string(known))
		}
		p.refuse(name, "is no finding; the findings are: "+strings.Join(names, ", "))
	}
	return c
}

func causeList() string {
	names := make([]string, 0, mta.NumCauses)
	for _, c := range mta.Causes() {
		names = append(names, c.String())
	}
	return strings.Join(names, ", ")
}

func (p *params) state(name string) string {
	v := p.values.Get(name)
	var s mta.TCPState
	if err := s.UnmarshalText([]byte(v)); err != nil {
		p.refuse(name, "is no TCP state, such as established or syn-recv")
	}
	return v
}
