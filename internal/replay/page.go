package replay

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

//go:embed page.html
var pageText string

// Page writes the report as one HTML page that needs nothing else: no script,
// no request. clean takes out of a text from the logs what may not be shown;
// the page escapes the rest.
func (r *Report) Page(w io.Writer, clean func(string) string) error {
	p := page{r: r, clean: clean}
	t, err := template.New("page").Funcs(template.FuncMap{"clean": clean, "at": p.at, "span": spanText, "number": numberText,
		"normal": normalText, "bare": func(s string) string { return strings.TrimPrefix(s, "do not ") },
		"pct": func(v float64) int { return int(math.Round(100 * v)) }, "worst": worst}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	if err := t.Execute(w, p.data()); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

type page struct {
	r     *Report
	clean func(string) string
}

// The measures of the drawing.
const (
	wide    = 1200.0
	tall    = 110.0 // of one sign
	between = 34.0
	top     = 26.0
	left    = 64.0
)

type pageData struct {
	*Report
	Width, Height, Tall float64
	Left, Right         float64
	Lanes               []lane
	Ticks               []tick
	Grey                []box
	Marks               []mark
	Critical, Warning   int
}

type lane struct {
	Title, Max  string
	Y, Base     float64
	Band        string // path
	Lines       []line
	TitleY, Top float64
}

type line struct{ Class, Name, Path string }

type tick struct {
	X    float64
	Text string
}

type box struct{ X, W float64 }

type mark struct {
	box
	Number int
	Class  string
	Title  string
}

func (p *page) at(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.In(p.r.location).Format("2006-01-02 15:04:05 MST")
}

func worst(f mta.Finding) string { return f.Severity.String() }

// spanText gives a duration in its two largest units: 13d 23h.
func spanText(d time.Duration) string {
	s := int64(max(0, d) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm %ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh %dm", s/3600, s%3600/60)
	}
	return fmt.Sprintf("%dd %dh", s/86400, s%86400/3600)
}

// normalText gives the normal range of a proof whose text does not name it.
func normalText(e mta.Evidence) string {
	if e.Low == nil || e.High == nil || strings.Contains(e.Text, "normal") {
		return ""
	}
	return " (normal " + numberText(*e.Low) + " to " + numberText(*e.High) + ")"
}

func numberText(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.3gk", v/1e3)
	case v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func (p *page) data() pageData {
	c := &p.r.chart
	d := pageData{Report: p.r, Width: wide, Tall: tall, Left: left, Right: wide}
	minutes := c.length.Minutes()
	n := 0
	add := func(title string, band bool, known func(*bin) bool, values ...series) {
		y := top + float64(n)*(tall+between) + 14
		n++
		d.Lanes = append(d.Lanes, p.lane(title, y, band, known, values))
	}
	all := func(b *bin) bool { return b.readings > 0 }
	add("queue: messages waiting, with the normal range", true, func(b *bin) bool { return b.depthKnown }, series{"depth", "waiting", func(b *bin) float64 { return b.depth }})
	add("deliveries a minute", false, all,
		series{"sent", "sent", func(b *bin) float64 { return b.sent / minutes }},
		series{"deferred", "deferred", func(b *bin) float64 { return b.deferred / minutes }},
		series{"bounced", "bounced or expired", func(b *bin) float64 { return b.bounced / minutes }},
		series{"reject", "clients refused", func(b *bin) float64 { return b.reject / minutes }})
	add("inbound connections open, and ended a minute", false, func(b *bin) bool { return b.portsKnown },
		series{"open", "open at a time", func(b *bin) float64 { return b.connections }},
		series{"closed", "ended a minute", func(b *bin) float64 { return b.closed / minutes }})
	add("daemons: starts anew", false, all, series{"restarts", "restarts", func(b *bin) float64 { return b.restarts }})
	d.Height = top + float64(n)*(tall+between) + 30
	for i := range c.bins {
		if c.bins[i].readings == 0 {
			d.Grey = joinBox(d.Grey, p.x(i), p.x(i+1))
		}
	}
	d.Ticks = p.ticks()
	for i, f := range p.r.Incidents {
		d.Marks = append(d.Marks, p.mark(i, f))
		switch f.Severity {
		case mta.SeverityCritical:
			d.Critical++
		case mta.SeverityWarning:
			d.Warning++
		}
	}
	return d
}

func joinBox(list []box, from, to float64) []box {
	if n := len(list); n > 0 && math.Abs(list[n-1].X+list[n-1].W-from) < 0.01 {
		list[n-1].W = to - list[n-1].X
		return list
	}
	return append(list, box{from, to - from})
}

// x is where a bin begins.
func (p *page) x(i int) float64 {
	return left + (wide-left)*float64(i)/float64(max(1, len(p.r.chart.bins)))
}

// xOf is where a moment is.
func (p *page) xOf(t time.Time) float64 {
	c := &p.r.chart
	all := time.Duration(max(1, len(c.bins))) * c.length
	share := float64(t.Sub(c.begin)) / float64(all)
	return left + (wide-left)*min(1, max(0, share))
}

func (p *page) mark(i int, f mta.Finding) mark {
	end := f.End
	if end.IsZero() {
		end = p.r.End
	}
	m := mark{Number: i + 1, Class: f.Severity.String(), Title: p.clean(string(f.Code) + ": " + f.Title)}
	m.X = p.xOf(f.Since)
	m.W = max(2, p.xOf(end)-m.X)
	return m
}

// series is one line of a lane.
type series struct {
	class, name string
	of          func(*bin) float64
}

func (p *page) lane(title string, y float64, band bool, known func(*bin) bool, values []series) lane {
	l := lane{Title: title, Y: y, Base: y + tall, TitleY: y - 5, Top: y}
	bins := p.r.chart.bins
	highest := 1.0
	for i := range bins {
		if b := &bins[i]; known(b) {
			for _, v := range values {
				highest = max(highest, v.of(b))
			}
		}
	}
	l.Max = numberText(highest)
	at := func(v float64) float64 { return l.Base - tall*min(v, highest)/highest }
	for _, v := range values {
		l.Lines = append(l.Lines, line{v.class, v.name, p.path(known, func(b *bin) float64 { return at(v.of(b)) })})
	}
	if band {
		l.Band = p.band(at)
	}
	return l
}

// path draws steps; where nothing is known it is broken.
func (p *page) path(known func(*bin) bool, y func(*bin) float64) string {
	var b strings.Builder
	drawn := false
	for i := range p.r.chart.bins {
		x := &p.r.chart.bins[i]
		if !known(x) {
			drawn = false
			continue
		}
		cmd := "L"
		if !drawn {
			cmd = "M"
		}
		fmt.Fprintf(&b, "%s%.1f %.1fH%.1f", cmd, p.x(i), y(x), p.x(i+1))
		drawn = true
	}
	return b.String()
}

func (p *page) band(at func(float64) float64) string {
	var b strings.Builder
	for i := range p.r.chart.bins {
		if x := &p.r.chart.bins[i]; x.normal {
			fmt.Fprintf(&b, "M%.1f %.1fH%.1fV%.1fH%.1fZ", p.x(i), at(x.high), p.x(i+1), at(x.low), p.x(i))
		}
	}
	return b.String()
}

// ticks marks the time: at most fourteen of a natural distance.
func (p *page) ticks() []tick {
	c := &p.r.chart
	if len(c.bins) == 0 {
		return nil
	}
	all := time.Duration(len(c.bins)) * c.length
	step, form := 24*time.Hour, "Mon 02 Jan"
	for _, s := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour} {
		if all/s <= 14 {
			step, form = s, "15:04"
			break
		}
	}
	for all/step > 14 {
		step *= 2
	}
	t := c.begin.In(p.r.location)
	t = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, p.r.location)
	var list []tick
	for end := c.begin.Add(all); t.Before(end); t = t.Add(step) {
		if !t.Before(c.begin) && len(list) < 40 {
			f := form
			if t.Hour() == 0 && t.Minute() == 0 {
				f = "Mon 02 Jan"
			}
			list = append(list, tick{p.xOf(t), t.Format(f)})
		}
	}
	return list
}
