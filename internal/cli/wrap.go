package cli

import "strings"

// line writes one line. The text must be clean but for styles. On a terminal
// a line that is too long is wrapped at words, with a hanging indent.
func (p *printer) line(s string) {
	p.hang(len(s)-len(strings.TrimLeft(s, " "))+4, s)
}

// hang writes one line; where it is wrapped, what follows is indented by so
// many columns.
func (p *printer) hang(indent int, s string) {
	if p.columns > 0 {
		s = wrap(s, p.columns, indent)
	}
	p.w.WriteString(s)
	p.w.WriteByte('\n')
}

// plain writes one line that is never wrapped: for programs, and for what
// is to be copied. The text must be clean but for styles.
func (p *printer) plain(s string) {
	p.w.WriteString(s)
	p.w.WriteByte('\n')
}

// wrap breaks a line at spaces so that it fits a number of columns. A word
// that is longer than a line stays whole: it may be a path to copy.
func wrap(s string, columns, indent int) string {
	if shownWidth(s) <= columns || columns < 2*indent {
		return s
	}
	var b strings.Builder
	body := strings.TrimLeft(s, " ")
	b.WriteString(s[:len(s)-len(body)])
	used, first := len(s)-len(body), true
	for word := range strings.SplitSeq(body, " ") {
		w := shownWidth(word)
		switch {
		case first:
			first = false
		case used+1+w > columns:
			b.WriteByte('\n')
			b.WriteString(strings.Repeat(" ", indent))
			used = indent
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += w
	}
	return b.String()
}

// shownWidth is textWidth without the styles.
func shownWidth(s string) int {
	n := 0
	for {
		begin := strings.Index(s, "\x1b[")
		if begin < 0 {
			return n + textWidth(s)
		}
		n += textWidth(s[:begin])
		end := strings.IndexByte(s[begin:], 'm')
		if end < 0 {
			return n
		}
		s = s[begin+end+1:]
	}
}

// The least widths of a column that gives way.
const (
	leastReason = 12 // of the last column
	goodReason  = 24 // for which optional columns give way
	leastCell   = 16 // of another column of text
)

// fit chooses the columns of a table that a terminal has room for: the last
// one is cut, then the optional ones are left out one by one, then texts are
// cut, and at last the last column is left out.
func (t *table) fit(columns int) (shown, widths []int, leftOut []string) {
	for i, h := range t.head {
		w := textWidth(h)
		for _, row := range t.rows {
			if i < len(row) {
				w = max(w, textWidth(row[i]))
			}
		}
		shown, widths = append(shown, i), append(widths, w)
	}
	last := len(widths) - 1
	if columns <= 0 || last < 0 {
		return shown, widths, nil
	}
	natural := widths[last]
	flexible := !t.right[last]
	fixed := func() int {
		n := 0
		for _, i := range shown {
			if n += widths[i] + 2; i == last && flexible {
				n -= widths[i]
			}
		}
		return n - 2
	}
	least := func(n int) int {
		if !flexible {
			return 0
		}
		return min(natural, n)
	}
	for _, name := range t.optional {
		if fixed()+least(goodReason) <= columns {
			break
		}
		for k, i := range shown {
			if t.head[i] == name {
				shown = append(shown[:k:k], shown[k+1:]...)
				leftOut = append(leftOut, name)
				break
			}
		}
	}
	t.shrink(shown, widths, last, fixed()+least(leastReason)-columns)
	switch room := columns - fixed(); {
	case flexible && room < least(leastReason) && len(shown) > 1:
		shown = shown[:len(shown)-1]
		leftOut = append(leftOut, t.head[last])
	case flexible:
		widths[last] = max(min(natural, room), 1)
	}
	return shown, widths, leftOut
}

// shrink takes so many columns from the widest texts before the last column.
func (t *table) shrink(shown, widths []int, last, excess int) {
	for excess > 0 {
		widest := -1
		for _, i := range shown {
			if i != last && !t.right[i] && widths[i] > leastCell && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
		excess--
	}
}
