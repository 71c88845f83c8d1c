package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// TestPieces plans an import at every moment of a night and reads what was
// planned none, one and two nights later: each line once, and none of the log
// itself, which others read.
func TestPieces(t *testing.T) {
	day := func(d, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "day %d line %06d %s\n", d, i, strings.Repeat("z", i%50))
		}
		return b.String()
	}
	for _, tt := range []struct{ older, yesterday int }{{300, 200}, {3, 2}, {0, 200}, {0, 2}, {300, 0}} {
		old, yesterday, current := day(0, tt.older), day(1, tt.yesterday), day(2, 100)
		for _, appended := range []int{0, 1, 7, len(yesterday) / 2, len(yesterday)} {
			for nights := range 3 {
				t.Run(fmt.Sprintf("%d+%d lines, %d bytes appended, %d nights", tt.older, tt.yesterday, appended, nights), func(t *testing.T) {
					dir := t.TempDir()
					path := func(suffix string) string { return filepath.Join(dir, "mail.log"+suffix) }
					src := mta.LogSource{Kind: mta.LogFile, Path: path("_current"), Older: []string{"mail.log_yesterday", "mail.log"}}
					writeFile(t, path(""), old+yesterday[:min(appended, len(yesterday))])
					writeFile(t, path("_yesterday"), yesterday)
					writeFile(t, path("_current"), current)
					planned, err := Pieces(src)
					if err != nil {
						t.Fatal(err)
					}
					whole := old + yesterday
					for n := range nights {
						data, err := os.ReadFile(path("_yesterday"))
						if err != nil {
							t.Fatal(err)
						}
						if n > 0 {
							whole += string(data)
						}
						writeFile(t, path(""), whole)
						if err := os.Rename(path("_current"), path("_yesterday")); err != nil {
							t.Fatal(err)
						}
						writeFile(t, path("_current"), day(3+n, 100))
					}
					s := &store{}
					for _, p := range planned {
						if p.Name == "" {
							continue
						}
						now, ok, err := FindPiece(src, p.Name)
						if err != nil || !ok {
							t.Fatalf("piece %s is gone: %v", p.Name, err)
						}
						if err := ReadPiece(t.Context(), Config{BatchBytes: 1000}, now, s); err != nil {
							t.Fatal(err)
						}
					}
					want := strings.Split(strings.TrimSuffix(old+yesterday, "\n"), "\n")
					if !slices.Equal(s.lines, want) {
						t.Errorf("%d lines, want %d: %s", len(s.lines), len(want), firstDiff(s.lines, want))
					}
				})
			}
		}
	}
}

// TestPiecesOfNumbers: pieces that are renamed and compressed are found again.
func TestPiecesOfNumbers(t *testing.T) {
	dir := t.TempDir()
	src := mta.LogSource{Kind: mta.LogFile, Path: filepath.Join(dir, "mail.log")}
	writeFile(t, src.Path, "now\n")
	writeFile(t, src.Path+".1", "one\n")
	writeFile(t, src.Path+".2", "two\n")
	writeFile(t, src.Path+".3", "")
	planned, err := Pieces(src)
	if err != nil || len(planned) != 3 {
		t.Fatal(planned, err)
	}
	for i := 3; i >= 1; i-- {
		if err := os.Rename(fmt.Sprintf("%s.%d", src.Path, i), fmt.Sprintf("%s.%d", src.Path, i+1)); err != nil {
			t.Fatal(err)
		}
	}
	gzipFile(t, src.Path+".3", func() {})
	s := &store{}
	for _, p := range planned {
		if now, ok, err := FindPiece(src, p.Name); p.Name != "" && (err != nil || !ok || ReadPiece(t.Context(), Config{}, now, s) != nil) {
			t.Errorf("piece %+v: %v, %v", p, ok, err)
		}
	}
	if diff := cmp.Diff([]string{"two", "one"}, s.lines); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, ok, err := FindPiece(src, "0123+x"); ok || err != nil {
		t.Errorf("a name that is none: %v, %v", ok, err)
	}
}

// TestYoung: of a whole that holds years only what is young enough is read,
// and all of that.
func TestYoung(t *testing.T) {
	dir := t.TempDir()
	src := mta.LogSource{Kind: mta.LogFile, Path: filepath.Join(dir, "mail.log_current"), Older: []string{"mail.log_yesterday", "mail.log"}}
	const lines = 50_000
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, "%06d %s\n", i, strings.Repeat("z", i%50))
		if i%10 == 0 {
			b.WriteString("a line without a time\n")
		}
	}
	writeFile(t, filepath.Join(dir, "mail.log"), b.String())
	planned, err := Pieces(src)
	if err != nil || len(planned) != 1 {
		t.Fatalf("%d pieces, %v", len(planned), err)
	}
	for _, first := range []int{0, 1, 777, lines / 2, lines - 1, lines} {
		young, skipped, err := planned[0].Young(func(line string) (older, tells bool) {
			n, err := strconv.Atoi(line[:min(6, len(line))])
			return n < first, err == nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s := &store{}
		if err := ReadPiece(t.Context(), Config{}, young, s); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(s.lines, "\n") + "\n"
		if !strings.HasSuffix(b.String(), got) || int64(len(got))+skipped != int64(b.Len()) || young.Size != int64(len(got)) {
			t.Errorf("from %d: %d bytes are left, %d left out, of %d", first, len(got), skipped, b.Len())
		}
		at := strings.Index(b.String(), fmt.Sprintf("%06d ", first))
		if at >= 0 && skipped > int64(at) || at > 3*probe && skipped < int64(at)-2*probe {
			t.Errorf("from %d, which is at byte %d: %d left out", first, at, skipped)
		}
	}
}
