package tail

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cutAll feeds text in pieces of size bytes and gives all that comes out.
func cutAll(text string, size, limit int) (string, int, int64) {
	l := lines{max: limit}
	var out strings.Builder
	cuts := 0
	for len(text) > 0 {
		n := min(size, len(text))
		buf, at := l.buffer(n)
		copy(buf[at:], text[:n])
		text = text[n:]
		got, cut := l.take(buf)
		out.WriteString(got)
		cuts += cut
	}
	got, cut := l.rest()
	out.WriteString(got)
	return out.String(), cuts + cut, l.off
}

func TestLines(t *testing.T) {
	tests := []struct {
		name, text, want string
		cut              int
	}{
		{name: "plain", text: "a\nbc\n", want: "a\nbc\n"},
		{name: "last line without end", text: "a\nbc", want: "a\nbc\n"},
		{name: "empty lines", text: "\n\n\n", want: "\n\n\n"},
		{name: "carriage returns stay", text: "a\r\nb\r\n", want: "a\r\nb\r\n"},
		{name: "exactly the limit", text: "12345678\nx\n", want: "12345678\nx\n"},
		{name: "one over the limit", text: "123456789\nx\n", want: "12345678\nx\n", cut: 1},
		{name: "far over the limit", text: "a\n" + strings.Repeat("y", 100) + "\nx\n", want: "a\nyyyyyyyy\nx\n", cut: 1},
		{name: "over the limit at the end", text: "a\n" + strings.Repeat("y", 100), want: "a\nyyyyyyyy\n", cut: 1},
		{name: "hole before a line", text: strings.Repeat("\x00", 50) + "abc\nd\n", want: "abc\nd\n"},
		{name: "hole alone", text: strings.Repeat("\x00", 50), want: ""},
		{name: "NUL within a line stays", text: "a\x00b\n", want: "a\x00b\n"},
		{name: "binary", text: "\xff\xfe\n\x01\x02", want: "\xff\xfe\n\x01\x02\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for size := 1; size <= len(tt.text)+1; size++ {
				got, cut, off := cutAll(tt.text, size, 8)
				if got != tt.want || cut != tt.cut || off != int64(len(tt.text)) {
					t.Fatalf("pieces of %d: got %q, %d cut, offset %d; want %q, %d cut, offset %d", size, got, cut, off, tt.want, tt.cut, len(tt.text))
				}
			}
		})
	}
}

func TestLinesTailIsWhatStandsBefore(t *testing.T) {
	text := strings.Repeat("0123456789abcdef\n", 60) + strings.Repeat("\x00", 400) + "x\n" + strings.Repeat("long", 300) + "\nz\n"
	for _, size := range []int{1, 7, 64, 300, 5000} {
		l := lines{max: 100}
		for at := 0; at < len(text); at += size {
			piece := text[at:min(at+size, len(text))]
			buf, in := l.buffer(len(piece))
			copy(buf[in:], piece)
			l.take(buf)
			want := text[l.off-int64(len(l.tail)) : l.off]
			if string(l.tail) != want {
				t.Fatalf("pieces of %d: tail %q at %d, want %q", size, l.tail, l.off, want)
			}
			if l.off > 0 && len(l.tail) == 0 {
				t.Fatalf("pieces of %d: no tail at %d", size, l.off)
			}
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add("a\n\x00\x00b\nlonglonglong\nrest", uint8(3))
	f.Fuzz(func(t *testing.T, text string, size uint8) {
		whole, cut, off := cutAll(text, len(text)+1, 8)
		pieces, cut2, off2 := cutAll(text, int(size)+1, 8)
		if diff := cmp.Diff(whole, pieces); diff != "" || cut != cut2 || off != off2 {
			t.Fatalf("whole and in pieces of %d differ (-whole +pieces): %s; cut %d and %d, offset %d and %d", size+1, diff, cut, cut2, off, off2)
		}
	})
}
