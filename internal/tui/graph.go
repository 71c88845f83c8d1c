package tui

import (
	"math"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/say"
)

// glyphs is how dots become characters: braille, eight dots a character, or
// two of ASCII where the terminal's text is not UTF-8.
type glyphs struct {
	wide, high int
	of         func(dots uint8) rune
}

func glyphsOf(utf8 bool) glyphs {
	if utf8 {
		return glyphs{2, 4, func(dots uint8) rune { return 0x2800 + rune(dots) }}
	}
	return glyphs{1, 2, func(dots uint8) rune { return rune(" '.:"[dots&3]) }}
}

// bit gives the place of a dot in a character.
func (g glyphs) bit(x, y int) uint8 {
	if g.high == 2 {
		return 1 << y
	}
	return [4][2]uint8{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}[y][x]
}

// What a dot belongs to; the higher wins a character.
const (
	inBand  = 1 + iota // what is normal
	onLine             // the figure
	outside            // the figure, where it is not normal
)

// canvas is a field of dots.
type canvas struct {
	g             glyphs
	columns, rows int
	dots          []uint8
	kind          []uint8
}

func newCanvas(g glyphs, columns, rows int) *canvas {
	return &canvas{g, columns, rows, make([]uint8, columns*rows), make([]uint8, columns*rows)}
}

func (c *canvas) set(x, y int, kind uint8) {
	if x < 0 || y < 0 || x >= c.columns*c.g.wide || y >= c.rows*c.g.high {
		return
	}
	i := y/c.g.high*c.columns + x/c.g.wide
	c.dots[i] |= c.g.bit(x%c.g.wide, y%c.g.high)
	c.kind[i] = max(c.kind[i], kind)
}

// row gives one line of characters.
func (c *canvas) row(n int, wrong style) row {
	var out row
	for i := n * c.columns; i < (n+1)*c.columns; i++ {
		st := [...]style{plain, dim, plain, wrong}[c.kind[i]]
		r := ' '
		if c.dots[i] != 0 {
			r = c.g.of(c.dots[i])
		}
		if k := len(out); k > 0 && (out[k-1].style == st || r == ' ') {
			out[k-1].text += string(r)
			continue
		}
		out = append(out, span{st, string(r)})
	}
	return out
}

// field is the part of a canvas that one figure is drawn in.
type field struct {
	top, height int // dots
	scale       float64
	down        bool // zero is at the top
}

// at gives the row of dots of a value.
func (f field) at(v float64) int {
	n := int(math.Round(v / f.scale * float64(f.height-1)))
	n = max(0, min(f.height-1, n))
	if f.down {
		return f.top + n
	}
	return f.top + f.height - 1 - n
}

// plot draws a figure over its normal range: as a line upwards, as bars
// downwards. Where it is not known nothing is drawn.
func (c *canvas) plot(f field, points []point) {
	for x, p := range points {
		if math.IsNaN(p.low) || math.IsNaN(p.high) {
			continue
		}
		a, b := f.at(p.low), f.at(p.high)
		for y := min(a, b); y <= max(a, b); y++ {
			if edge := y == a || y == b; edge && x%2 == 0 || (x+2*y)%4 == 0 {
				c.set(x, y, inBand)
			}
		}
	}
	last := -1
	for x, p := range points {
		if math.IsNaN(p.value) {
			last = -1
			continue
		}
		kind := uint8(onLine)
		if p.value > p.high || p.value < p.low {
			kind = outside
		}
		y := f.at(p.value)
		if f.down {
			if p.value <= 0 {
				continue
			}
			last = f.top
		}
		if last < 0 {
			last = y
		}
		for k := min(y, last); k <= max(y, last); k++ {
			c.set(x, k, kind)
		}
		last = y
	}
}

// scaleOf gives a round number above all that is drawn, so that it changes
// seldom.
func scaleOf(points []point) float64 {
	top := 0.0
	for _, p := range points {
		for _, v := range [...]float64{p.value, p.high} {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				top = max(top, v)
			}
		}
	}
	if top <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(top)))
	for _, m := range [...]float64{1, 1.5, 2, 3, 4, 5, 6, 8, 10} {
		if top <= m*unit {
			return m * unit
		}
	}
	return 10 * unit
}

// empty reports that nothing is known of all these steps.
func empty(points []point) bool {
	for _, p := range points {
		if !math.IsNaN(p.value) {
			return false
		}
	}
	return true
}

// labelWidth is the room for the scale beside a graph.
const labelWidth = 6

// graph draws a sign in rows lines of so many columns: what goes up, and below it
// what goes down. Its scale stands at the right where there is room.
func graph(g glyphs, s *sign, at time.Time, of time.Duration, columns, rows int) []row {
	labels := 0
	if columns >= 30 && rows >= 2 {
		labels = labelWidth
	}
	c := newCanvas(g, columns-labels, rows)
	n := c.columns * g.wide
	if n <= 0 || rows <= 0 {
		return nil
	}
	step := max(of/time.Duration(n), 500*time.Millisecond)
	end := at.Truncate(step).Add(step)
	up := s.up.steps(end, step, n)
	f := field{height: rows * g.high, scale: scaleOf(up)}
	marks := map[int]string{0: say.Level(f.scale), rows - 1: "0"}
	var down []point
	if s.down != nil {
		down = s.down.steps(end, step, n)
		d := field{down: true, scale: scaleOf(down)}
		if rows > 1 {
			above := (rows*3 + 3) / 5 // of the lines
			f.height, d.top, d.height = above*g.high, above*g.high, (rows-above)*g.high
			marks = map[int]string{0: say.Level(f.scale), rows - 1: "-" + say.Level(d.scale)}
			if above-1 > 0 && rows > 2 {
				marks[above-1] = "0"
			}
		} else {
			f.height, d.top, d.height = g.high/2, g.high/2, g.high-g.high/2
		}
		c.plot(d, down)
	}
	c.plot(f, up)
	nothing := empty(up) && empty(down)
	if nothing {
		marks = nil // of no figure
	}
	wrong := verdictStyle(s.verdict)
	out := make([]row, rows)
	for i := range out {
		out[i] = c.row(i, wrong)
		if labels > 0 {
			mark := say.Cut(marks[i], labelWidth-1)
			out[i] = out[i].pad(c.columns).and(dim, " "+strings.Repeat(" ", labelWidth-1-say.Width(mark))+mark)
		}
	}
	if nothing {
		out[rows/2] = text(dim, "nothing known yet").cut(columns)
	}
	return out
}
