package tui

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mtawatch/mtawatch/internal/say"
)

// column is one column of a table.
type column struct {
	title string
	right bool // numbers stand to the right
	gives int  // columns with higher numbers are left out first where there is no room; 0 never
}

// item is one row of a table.
type item struct {
	key   string // names the row from answer to answer
	cells []string
	style style
	whole func(columns int) []row // what zooming in shows
}

// table is rows under headings. Cells are fixed.
type table struct {
	columns []column
	items   []item
	note    row // what stands above it
	empty   string
}

// maxCell bounds the columns of every cell but the last.
const maxCell = 40

// fit chooses the columns there is room for, and their widths.
func (t *table) fit(columns int) (shown, widths []int) {
	natural := make([]int, len(t.columns))
	for i, c := range t.columns {
		natural[i] = say.Width(c.title)
		for _, it := range t.items {
			if i < len(it.cells) {
				natural[i] = max(natural[i], say.Width(it.cells[i]))
			}
		}
		if i < len(t.columns)-1 {
			natural[i] = min(natural[i], maxCell)
		}
		shown = append(shown, i)
	}
	last := len(t.columns) - 1
	needs := func() int {
		n := 0
		for _, i := range shown {
			w := natural[i]
			if i == last && !t.columns[i].right {
				w = min(w, 16)
			}
			n += w + 2
		}
		return n - 2
	}
	for needs() > columns && len(shown) > 1 {
		worst := slices.MaxFunc(shown, func(a, b int) int { return t.columns[a].gives - t.columns[b].gives })
		if t.columns[worst].gives == 0 {
			break
		}
		shown = slices.DeleteFunc(shown, func(i int) bool { return i == worst })
	}
	left := columns
	for k, i := range shown {
		w := max(0, min(natural[i], left))
		if over := needs() - columns; k == 0 && over > 0 {
			w = max(8, w-over) // the name gives way to the figures
		}
		widths = append(widths, w)
		left -= w + 2
	}
	return shown, widths
}

// line lays cells out.
func (t *table) line(cells []string, shown, widths []int) string {
	var b strings.Builder
	for k, i := range shown {
		cell := ""
		if i < len(cells) {
			cell = say.Cut(cells[i], widths[k])
		}
		blank := strings.Repeat(" ", max(0, widths[k]-say.Width(cell)))
		if k > 0 {
			b.WriteString("  ")
		}
		if t.columns[i].right {
			b.WriteString(blank + cell)
		} else {
			b.WriteString(cell + blank)
		}
	}
	return b.String()
}

// draw gives the table in so many lines, with the row at cursor in sight and
// marked; -1 marks none.
func (t *table) draw(columns, lines, cursor int) []row {
	var out []row
	if len(t.note) > 0 && lines > 3 {
		out = append(out, t.note.cut(columns))
	}
	if len(t.items) == 0 {
		return append(out, text(dim, t.empty).cut(columns))
	}
	shown, widths := t.fit(columns - 2)
	titles := make([]string, len(t.columns))
	for i, c := range t.columns {
		titles[i] = c.title
	}
	out = append(out, text(dim, "  "+t.line(titles, shown, widths)).cut(columns))
	room := max(1, lines-len(out))
	first := max(0, min(cursor-room/2, len(t.items)-room))
	for i := first; i < min(len(t.items), first+room); i++ {
		it := t.items[i]
		r := row{{plain, "  "}, {it.style, t.line(it.cells, shown, widths)}}
		if i == cursor {
			r = text(reverse, "> "+t.line(it.cells, shown, widths)).pad(columns).all(reverse)
		}
		out = append(out, r.cut(columns))
	}
	return out
}

// filter keeps the rows in which every word of the pattern is found.
func (t *table) filter(pattern string) {
	words := strings.Fields(strings.ToLower(pattern))
	if len(words) == 0 {
		return
	}
	kept := make([]item, 0, len(t.items))
	for _, it := range t.items {
		if !slices.ContainsFunc(words, func(w string) bool { return !found(w, it.cells) }) {
			kept = append(kept, it)
		}
	}
	t.items = kept
	t.empty = "no row matches"
}

func found(word string, cells []string) bool {
	return slices.ContainsFunc(cells, func(c string) bool { return fuzzy(word, strings.ToLower(c)) })
}

// fuzzy finds the letters of a word in their order, with few others between:
// "exnet" is in "mx.example.net", but not in every long sentence.
func fuzzy(word, s string) bool {
	if strings.Contains(s, word) {
		return true
	}
	n := utf8.RuneCountInString(word)
	if n < 2 {
		return false
	}
	first, _ := utf8.DecodeRuneInString(word)
	for i, r := range s {
		if r == first && within(word, s[i:], 2*n+4) {
			return true
		}
	}
	return false
}

// within reports whether word's letters come in order among the first most
// letters of s.
func within(word, s string, most int) bool {
	w := []rune(word)
	for _, r := range s {
		if most == 0 {
			return false
		}
		most--
		if r == w[0] {
			if w = w[1:]; len(w) == 0 {
				return true
			}
		}
	}
	return false
}
