package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/say"
	"github.com/mtawatch/mtawatch/internal/view"
)

func TestClean(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "user unknown", "user unknown"},
		{"umlauts stay", "Größe 大", "Größe 大"},
		{"joiner stays", "a\u200db", "a\u200db"},
		{"escape", "\x1b[31mred\x1b[0m", "?[31mred?[0m"},
		{"title", "\x1b]0;x\x07", "?]0;x?"},
		{"C1", "a\u009b31m", "a?31m"},
		{"DEL", "a\x7fb", "a?b"},
		{"line ends", "a\r\nb\tc", "a  b c"},
		{"line separator", "a\u2028b", "a?b"},
		{"override", "a\u202eb\u2066c\u200fd", "a?b?c?d"},
		{"tag characters", "a\U000e0041b", "a?b"},
		{"no UTF-8", "a\xff\x9bb", "a?b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := clean(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "a", "\x1b[2J", "\u202e", "\xff\xfe", "\U000e0001", "大\u0301"} {
		f.Add(s, 5)
	}
	f.Fuzz(func(t *testing.T, s string, columns int) {
		got := clean(s)
		if strings.ContainsFunc(got, hostile) {
			t.Errorf("%q became %q", s, got)
		}
		if columns >= 0 && textWidth(cut(got, columns)) > columns {
			t.Errorf("%q cut to %d columns: %q", got, columns, cut(got, columns))
		}
		if b := safeJSON(mta.AppendJSONString(nil, s)); strings.ContainsFunc(string(b), hostile) {
			t.Errorf("%q as JSON: %q", s, b)
		}
	})
}

func TestCut(t *testing.T) {
	tests := []struct {
		in      string
		columns int
		want    string
	}{
		{"short", 10, "short"}, {"exactly ten", 11, "exactly ten"}, {"too long for it", 10, "too lon..."},
		{"大大大大", 8, "大大大大"}, {"大大大大", 7, "大大..."}, {"大大大大", 6, "大..."}, {"abc", 2, "ab"}, {"abc", 0, ""},
		{"e\u0301e\u0301", 2, "e\u0301e\u0301"},
	}
	for _, tt := range tests {
		if got := cut(tt.in, tt.columns); got != tt.want {
			t.Errorf("cut %q to %d: got %q, want %q", tt.in, tt.columns, got, tt.want)
		}
	}
}

// TestTableOnTerminal shows that the last column gives way, and that wide
// runes keep the columns straight.
func TestTableOnTerminal(t *testing.T) {
	tests := []struct {
		name    string
		columns int
		want    string
	}{
		{"no terminal", 0, "NAME        COUNT  REASON\n大.example      7  a long reason that goes on\nb              12  x\n"},
		{"wide enough", 80, "NAME        COUNT  REASON\n大.example      7  a long reason that goes on\nb              12  x\n"},
		{"narrow", 32, "NAME        COUNT  REASON\n大.example      7  a long rea...\nb              12  x\n"},
		{"too narrow for a reason", 24, "NAME        COUNT\n大.example      7\nb              12\na wider terminal shows:\n    REASON\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tab := newTable("NAME", ">COUNT", "REASON")
			tab.add("大.example", "7", "a long reason that goes on")
			tab.add("b", "12", "x")
			var b bytes.Buffer
			p := newPrinter(&b)
			p.columns = tt.columns
			p.print(tab)
			p.flush()
			if b.String() != tt.want {
				t.Errorf("got\n%s\nwant\n%s", b.String(), tt.want)
			}
			for line := range strings.Lines(b.String()) {
				if tt.columns > 0 && textWidth(strings.TrimSuffix(line, "\n")) > tt.columns {
					t.Errorf("line is wider than the terminal: %q", line)
				}
			}
		})
	}
}

// TestTableGivesWay shows which columns a narrow terminal does without.
func TestTableGivesWay(t *testing.T) {
	reasons := func() *table {
		tab := newTable("NAME", ">N", "WHEN", "WHOSE", "REASON")
		tab.optional = []string{"WHEN", "WHOSE"}
		tab.add("a-rather-long-name.example.net", "7", "11:50:00", "the network", "a long reason that goes on and on")
		return tab
	}
	tests := []struct {
		columns int
		want    string
	}{
		{100, "NAME                            N  WHEN      WHOSE        REASON\na-rather-long-name.example.net  7  11:50:00  the network  a long reason that goes on and on\n"},
		{80, "NAME                            N  WHOSE        REASON\na-rather-long-name.example.net  7  the network  a long reason that goes on an...\na wider terminal shows: WHEN\n"},
		{60, "NAME                            N  REASON\na-rather-long-name.example.net  7  a long reason that goe...\na wider terminal shows: WHEN, WHOSE\n"},
		{40, "NAME                     N  REASON\na-rather-long-name.e...  7  a long re...\na wider terminal shows: WHEN, WHOSE\n"},
		{28, "NAME              N\na-rather-long...  7\na wider terminal shows:\n    WHEN, WHOSE, REASON\n"},
	}
	for _, tt := range tests {
		var b bytes.Buffer
		p := newPrinter(&b)
		p.columns = tt.columns
		p.print(reasons())
		p.flush()
		if b.String() != tt.want {
			t.Errorf("%d columns: got\n%s\nwant\n%s", tt.columns, b.String(), tt.want)
		}
		for line := range strings.Lines(b.String()) {
			if textWidth(strings.TrimSuffix(line, "\n")) > tt.columns {
				t.Errorf("line is wider than %d: %q", tt.columns, line)
			}
		}
	}
}

func TestWrap(t *testing.T) {
	tests := []struct {
		name, in        string
		columns, indent int
		want            string
	}{
		{"fits", "  a b", 5, 2, "  a b"},
		{"wraps", "  one two three four", 12, 4, "  one two\n    three\n    four"},
		{"long word", "see /a/very/long/path now", 12, 4, "see\n    /a/very/long/path\n    now"},
		{"styles take no room", "\x1b[31mNO  \x1b[0mab cd", 9, 4, "\x1b[31mNO  \x1b[0mab cd"},
		{"too narrow to indent", "one two three", 6, 4, "one two three"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := wrap(tt.in, tt.columns, tt.indent); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRangeText(t *testing.T) {
	for _, tt := range []struct {
		low, high    float64
		want, counts string
	}{{180.2, 650.4, "180-651", "180-651"}, {0, 0, "0", "0"}, {0.25, 3, "0.2-3", "0-3"}, {-0.01, 0.04, "0-0.04", "0-1"}, {9.96, 12345.6, "9-12346", "9-12346"},
		{3.1, 17.2, "3-18", "3-18"}, {1.6, 5.1, "1.6-5.1", "1-6"}, {2.0000000001, 5.9999999999, "2-6", "2-6"}} {
		r := view.Range{Low: tt.low, High: tt.high}
		if got, counts := say.Range(r), say.Counts(r); got != tt.want || counts != tt.counts {
			t.Errorf("%v to %v: got %q, want %q; as counts %q, want %q", tt.low, tt.high, got, tt.want, counts, tt.counts)
		}
	}
}

func TestLearnedText(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "not known yet", 59 * time.Minute: "not known yet", 5 * time.Hour: "from 5 h; findings", 26 * time.Hour: "learned from 26 h",
		72 * time.Hour: "from 72 h", 14 * 24 * time.Hour: "from 14 days"} {
		if got := learnedText(d); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}

func TestRarityText(t *testing.T) {
	for score, want := range map[float64]string{1: "more than once a day", 3: "once in 42 days", 5: "once in 11 years", 9: "less than once in 1000 years"} {
		if got := rarityText(score); !strings.Contains(got, want) {
			t.Errorf("%v: got %q, want %q", score, got, want)
		}
	}
}

func TestColour(t *testing.T) {
	p := newPrinter(&bytes.Buffer{})
	if got := p.in(red, "x"); got != "x" {
		t.Errorf("colour in a file: %q", got)
	}
	p.colour = true
	if got := p.in(red, "x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("got %q", got)
	}
}

func TestBar(t *testing.T) {
	var b bytes.Buffer
	p := newPrinter(&b)
	bar := &bar{p: p}
	bar.show("mail.log", 1, 2)
	bar.clear()
	if b.Len() > 0 {
		t.Errorf("a bar where there is no terminal: %q", b.String())
	}
	p.terminal, p.columns = true, 80
	bar.show("mail\x1b.log", 1, 2)
	bar.show("mail\x1b.log", 1, 2)
	bar.clear()
	if got, want := b.String(), "\r\x1b[K[############............]  50% of 2 B  mail?.log\r\x1b[K"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWords(t *testing.T) {
	tests := []struct{ got, want string }{
		{bytesText(-1), "unknown size"}, {bytesText(0), "0 B"}, {bytesText(999), "999 B"}, {bytesText(1000), "1.0 kB"},
		{bytesText(9949), "9.9 kB"}, {bytesText(9960), "10 kB"}, {bytesText(999_700), "1.0 MB"}, {bytesText(12_345_678), "12 MB"},
		{spanText(-time.Second), "0s"}, {spanText(59 * time.Second), "59s"}, {spanText(60 * time.Second), "1m"},
		{spanText(3725 * time.Second), "1h 2m"}, {spanText(50 * time.Hour), "2d 2h"}, {spanText(90 * time.Minute), "1h 30m"},
		{plural(1, "message"), "1 message"}, {plural(0, "entry"), "0 entries"}, {plural(2, "process"), "2 processes"}, {plural(3, "address"), "3 addresses"},
		{topText(map[string]int64{"a": 1, "b": 3, "c": 0, "d": 1}, 2), "b 3, a 1, and 1 more"},
		{topText(map[string]int{}, 2), ""},
		{scopeText(mta.ScopeThem), "their site"}, {scopeText(mta.ScopeNone), "-"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// TestEachRun reads lines through readers of every temper.
func TestEachRun(t *testing.T) {
	long := strings.Repeat("x", 3<<20)
	tests := []struct {
		name, in string
		want     []string
	}{
		{"empty", "", nil},
		{"one", "a\n", []string{"a"}},
		{"no line end", "a\nb", []string{"a", "b"}},
		{"empty lines", "\n\na\n", []string{"", "", "a"}},
		{"carriage returns", "a\r\nb\r\n", []string{"a", "b"}},
		{"hole", "\x00\x00a\n", []string{"a"}},
		{"long line", "a\n" + long + "\nb\n", []string{"a", long[:maxLine], "b"}},
		{"long line at the end", "a\n" + long, []string{"a", long[:maxLine]}},
		{"two long lines", long + "\n" + long + "\nb", []string{long[:maxLine], long[:maxLine], "b"}},
		{"line over a buffer's end", strings.Repeat("y", chunkSize-chunkLeft-7) + "\nabcdefghijklmnop\nz\n",
			[]string{strings.Repeat("y", maxLine), "abcdefghijklmnop", "z"}},
	}
	for _, tt := range tests {
		steps := []int{1 << 30, 4096}
		if len(tt.in) < 1000 { // small steps through a large text take long
			steps = append(steps, 1, 7)
		}
		for _, step := range steps {
			t.Run(tt.name, func(t *testing.T) {
				var got []string
				err := eachRun(&stepReader{text: tt.in, step: step}, func(run string) error {
					var line string
					for run != "" {
						line, run = nextLine(run)
						got = append(got, line)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if strings.Join(got, "\n") != strings.Join(tt.want, "\n") || len(got) != len(tt.want) {
					t.Errorf("steps of %d: got %d lines, want %d", step, len(got), len(tt.want))
				}
			})
		}
	}
}
